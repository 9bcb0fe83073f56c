// By keyboard alone: j and k or the arrows move, Enter opens, / searches, m brings more, n shows what is new, ? says all this.

/** @param {import("./lines.js").Lines} lines */
export function keys(lines) {
  const shown = document.getElementById("keys-shown");
  const button = document.getElementById("keys");
  button.hidden = false;
  button.addEventListener("click", () => shown.showModal());
  const does = {
    j: () => lines.move(1),
    k: () => lines.move(-1),
    ArrowDown: () => lines.move(1),
    ArrowUp: () => lines.move(-1),
    "/": () => document.getElementById("text").select(),
    m: () => lines.bringMore(),
    n: () => lines.showNew(),
    "?": () => shown.showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || shown.open) return;
    if (event.target.closest("input, select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const act = does[event.key];
    if (!act || (event.key.startsWith("Arrow") && event.target.closest("summary"))) return;
    event.preventDefault();
    act();
  });
}
