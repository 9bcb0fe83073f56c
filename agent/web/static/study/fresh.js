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

  async function look() {
    const answer = await fetch(`/studies/${encodeURIComponent(uid)}/standing`, { headers: { Accept: "application/json" } }).catch(() => undefined);
    if (told || !answer || !(answer.ok || answer.status === 404)) return;
    const said = answer.ok ? (await answer.json()).standing : "gone";
    if (said === standing) return;
    told = true;
    const again = make("a", { href: location.pathname, text: t("study.mark.look_again") });
    document.querySelector(".unverified").after(make("p", { class: "mark bad overtaken", role: "alert" }, make("b", { text: t("study.mark.overtaken") }), " ", again));
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
