// A page about work that goes on looks again by itself: the part with data-again is fetched anew until it asks for no more, or
// nobody can say any more how it goes on. Without this script the page has a link that does the same.

import { BY_ITSELF, make, texts } from "./base.js";

/** @param {HTMLElement} part */
async function again(part) {
  const wait = Number(part.dataset.again);
  if (!wait) return;
  await new Promise((done) => setTimeout(done, wait));
  const options = { headers: { Accept: "text/html", ...BY_ITSELF }, redirect: "manual" };
  const answer = await fetch(location.href, options).catch(() => undefined); // the office may be starting again
  if (answer?.type === "opaqueredirect" || answer?.status === 401) {
    const t = await texts();
    const back = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
    say(part, t("common.again.signed_out"), make("a", { href: back, text: t("worklist.lost.sign_in") }));
    return;
  }
  if (answer && answer.status >= 400 && answer.status < 500) {
    say(part, (await texts())("common.again.gone"));
    return;
  }
  if (answer?.ok) take(part, new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(part.id));
  void again(part);
}

function take(part, fresh) {
  if (!fresh) return;
  if (fresh.innerHTML !== part.innerHTML) part.replaceChildren(...fresh.childNodes);
  if (fresh.dataset.again) part.dataset.again = fresh.dataset.again;
  else delete part.dataset.again;
}

/** What is shown is not so any more. */
function say(part, ...words) {
  delete part.dataset.again;
  part.querySelector("progress")?.remove();
  part.prepend(make("p", { class: "bad told", role: "alert" }, words[0], " ", words[1]));
}

const part = document.getElementById("again");
if (part) void again(part);
