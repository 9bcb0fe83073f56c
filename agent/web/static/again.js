// A page about work that goes on looks again by itself: the part with data-again is fetched anew until it asks for no more.
// Without this script the page has a link that does the same.

/** @param {HTMLElement} part */
async function again(part) {
  const wait = Number(part.dataset.again);
  if (!wait) return;
  await new Promise((done) => setTimeout(done, wait));
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.ok && !answer.redirected) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById(part.id);
      if (fresh instanceof HTMLElement) {
        if (fresh.innerHTML !== part.innerHTML) part.replaceChildren(...fresh.childNodes);
        if (fresh.dataset.again) part.dataset.again = fresh.dataset.again;
        else delete part.dataset.again;
      }
    }
  } catch {
    // The office may be starting again; the next look says so.
  }
  void again(part);
}

const part = document.getElementById("again");
if (part) void again(part);
