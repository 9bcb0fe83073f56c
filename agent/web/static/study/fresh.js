// Says when what the page shows has been overtaken: a newer revision, a withdrawal, another state. Nothing is exchanged under the
// eyes of who reads; the page is looked at again when he or she says so.

import { BY_ITSELF, make } from "../base.js";
import { Hearing } from "../hear.js";

const AGAIN_MS = 5000;

/**
 * @param {HTMLElement} root  carries data-uid and data-standing
 * @param {(key: string) => string} t
 */
export function watch(root, t) {
  const { uid, standing } = root.dataset;
  const place = make("p", { class: "bad lost", role: "status", hidden: true });
  document.querySelector(".unverified").after(place);
  let told = false;
  let again = 0;

  async function look() {
    clearTimeout(again);
    const options = { headers: { Accept: "application/json", ...BY_ITSELF } };
    const answer = await fetch(`/studies/${encodeURIComponent(uid)}/standing`, options).catch(() => undefined);
    if (answer?.status === 401) {
      hearing.signedOut();
      return;
    }
    if (!answer || !(answer.ok || answer.status === 404)) {
      hearing.fails("standing");
      again = setTimeout(look, AGAIN_MS);
      return;
    }
    hearing.works("standing");
    const said = answer.ok ? (await answer.json()).standing : "gone";
    if (told || said === standing) return;
    told = true;
    hearing.stop();
    const anew = make("a", { href: location.pathname, text: t("study.mark.look_again") });
    place.after(make("p", { class: "mark bad overtaken", role: "alert" }, make("b", { text: t("study.mark.overtaken") }), " ", anew));
  }

  const hearing = new Hearing(
    {
      address: () => "/live",
      holds: true,
      opened: () => void look(), // whatever happened while nobody listened
      told: (said) => {
        if (said.all || said.gone || said.uids.includes(uid)) void look();
      },
    },
    t,
    place,
  );
}
