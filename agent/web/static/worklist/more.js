// "More" brings the next lines to the end of the list; without script it is a link to them.

/** @param {import("./lines.js").Lines} lines */
export function more(lines) {
  const link = () => document.getElementById("more");
  const bring = async (event) => {
    event?.preventDefault();
    const at = link();
    if (!at || at.getAttribute("aria-busy") === "true") return;
    at.setAttribute("aria-busy", "true");
    const had = document.activeElement === at;
    try {
      const page = await (await lines.call(at.href, { headers: { Accept: "text/html" } })).text();
      const next = new DOMParser().parseFromString(page, "text/html");
      const first = lines.append(next.querySelectorAll("#lines tbody tr"));
      const further = next.getElementById("more");
      if (further) {
        at.setAttribute("href", further.getAttribute("href"));
        at.textContent = further.textContent;
      } else at.remove();
      if (had && first) lines.select(first);
    } catch (error) {
      lines.say(error.message);
    } finally {
      at.removeAttribute("aria-busy");
    }
  };
  document.querySelector("p.end").addEventListener("click", (event) => event.target.closest("#more") && bring(event));
  lines.bringMore = bring;
}
