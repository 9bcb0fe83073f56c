// Says when what the page shows has been overtaken: a newer revision, a withdrawal, another state. Nothing is exchanged under the
// eyes of who reads; the page is looked at again when he or she says so.

import { make } from "../base.js";

/**
 * @param {HTMLElement} root  carries data-uid and data-standing
 * @param {(key: string) => string} t
 */
export function watch(root, t) {
  const { uid, standing } = root.dataset;
  /** @type {EventSource | undefined} */
  let source;
  let told = false;
  let again = 1000;

  const later = (what) => {
    setTimeout(what, again);
    again = Math.min(30000, again * 2);
  };

  async function look() {
    const answer = await fetch(`/studies/${encodeURIComponent(uid)}/standing`, { headers: { Accept: "application/json" } }).catch(() => undefined);
    if (told) return;
    if (!answer || answer.status >= 500) return void later(look);
    if (!(answer.ok || answer.status === 404)) return;
    again = 1000;
    const said = answer.ok ? (await answer.json()).standing : "gone";
    if (said === standing) return;
    told = true;
    const anew = make("a", { href: location.pathname, text: t("study.mark.look_again") });
    document.querySelector(".unverified").after(make("p", { class: "mark bad overtaken", role: "alert" }, make("b", { text: t("study.mark.overtaken") }), " ", anew));
    close();
  }

  function open() {
    if (source || told || document.hidden) return;
    source = new EventSource("/live");
    source.onopen = look; // whatever happened while nobody listened
    source.addEventListener("studies", (event) => {
      const said = JSON.parse(event.data);
      if (said.all || said.gone || said.uids.includes(uid)) void look();
    });
    source.addEventListener("signed-out", close);
    // A browser comes again by itself, but not to a server that answered with an error, as a proxy does while the office starts.
    source.onerror = () => {
      if (source?.readyState !== EventSource.CLOSED) return;
      close();
      later(open);
    };
  }

  function close() {
    source?.close();
    source = undefined;
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
}
