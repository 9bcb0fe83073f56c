// "More" brings the next lines to the end of the list; without script it is a link to them.

/** @param {import("./lines.js").Lines} lines */
export function more(lines) {
  const link = document.getElementById("more");
  if (!link) return;
  const bring = async (event) => {
    event?.preventDefault();
    if (link.getAttribute("aria-busy") === "true") return;
    link.setAttribute("aria-busy", "true");
    const had = document.activeElement === link;
    try {
      const page = await (await lines.call(link.href, { headers: { Accept: "text/html" } })).text();
      const next = new DOMParser().parseFromString(page, "text/html");
      const first = lines.append(next.querySelectorAll("#lines tbody tr"));
      const further = next.getElementById("more");
      if (further) {
        link.setAttribute("href", further.getAttribute("href"));
        link.textContent = further.textContent;
      } else link.remove();
      if (had && first) lines.select(first);
    } catch (error) {
      lines.say(error.message);
    } finally {
      link.removeAttribute("aria-busy");
    }
  };
  link.addEventListener("click", bring);
  lines.bringMore = () => link.isConnected && bring();
}
