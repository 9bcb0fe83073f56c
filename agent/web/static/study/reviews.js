// Judging without leaving the page, and by keys: a accept, r reject, c correct, u take back; with Shift the whole draft.

import { make } from "../base.js";

const VERDICTS = { a: "accepted", r: "rejected", u: "taken-back" };
const TYPING = "input, select, textarea, [contenteditable]";

export class Reviews {
  /**
   * @param {HTMLElement} root
   * @param {(words: string) => void} say
   * @param {() => string[]} lit  the findings that are lit, where the focus is on none
   */
  constructor(root, t, say, lit) {
    this.root = root;
    this.t = t;
    this.say = say;
    this.lit = lit;
    this.sent = Promise.resolve(); // one after the other: the last that was said is the last that is kept
    root.addEventListener("submit", (event) => this.#submitted(event));
    document.addEventListener("keydown", (event) => this.#key(event)); // a page that has just come has its focus on nothing
  }

  #submitted(event) {
    const form = event.target.closest("form.judge");
    if (!form) return;
    event.preventDefault();
    this.#send(form, event.submitter);
  }

  #send(form, button) {
    const box = form.closest(".review");
    const data = new FormData(form, button);
    data.set("part", form.dataset.part ?? "finding");
    this.sent = this.sent.then(() => this.#sent(form, box, data));
  }

  async #sent(form, box, data) {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(data), headers: { Accept: "application/json" } }).catch(() => undefined);
    const subject = this.#name(data.get("finding"));
    if (answer?.ok) {
      const inside = box.contains(document.activeElement);
      box.innerHTML = await answer.text(); // of this site, escaped by the server as every page is
      this.say(this.t(data.get("verdict") === "taken-back" ? "study.review.taken_back_of" : "study.review.saved_of", { subject }));
      if (inside) (box.closest(".finding") ?? box.querySelector("button"))?.focus({ preventScroll: true });
      return;
    }
    box.querySelector(".unsaved")?.remove();
    const part = make("div", { class: "unsaved" });
    box.prepend(part); // stays until it is saved after all
    if (answer?.status === 409) {
      part.innerHTML = await answer.text(); // as above: somebody else has judged the same, and may be contradicted by who has read that
      const despite = form.elements.namedItem("despite") ?? form.appendChild(make("input", { type: "hidden", name: "despite" }));
      despite.value = part.querySelector("[data-newer]").dataset.newer;
    } else {
      const why = await reason(answer, this.t);
      part.append(make("p", { class: "mark bad", role: "alert" }, make("b", { text: this.t("study.review.not_saved_of", { subject }) }), " ", why));
    }
    this.say(this.t("study.review.not_saved_of", { subject }));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.closest?.(TYPING)) return;
    const key = event.key.toLowerCase();
    if (key === "j" || key === "k") {
      this.#next(key === "j" ? 1 : -1);
      event.preventDefault();
      return;
    }
    if (!(key in VERDICTS || key === "c") || !this.root.querySelector("form.judge")) return;
    event.preventDefault();
    const box = this.#box(event);
    if (!box) return;
    if (key === "c") {
      const details = box.querySelector("details.correct");
      details?.setAttribute("open", "");
      details?.querySelector("select, textarea")?.focus();
      return;
    }
    const button = box.querySelector(`button[value="${VERDICTS[key]}"]`);
    if (button) this.#send(button.form, button);
  }

  /** Where the judgement of a key belongs; nowhere, and that is said, where it is not certain. */
  #box(event) {
    if (event.shiftKey) return this.root.querySelector('.review[data-subject=""]');
    const focused = event.target.closest?.(".finding")?.dataset.findings;
    const meant = focused ? [focused] : this.lit();
    const box = meant.length === 1 ? this.root.querySelector(`.review[data-subject="${CSS.escape(meant[0])}"]`) : null;
    if (!box) {
      const names = meant.map((concept) => this.#name(concept)).join(", ");
      this.say(meant.length > 1 ? this.t("study.review.several_lit", { names }) : this.t("study.review.none_lit"));
    }
    return box;
  }

  #name(concept) {
    return concept ? this.t(`findings.name.${concept}`) : this.t("study.review.whole");
  }

  #next(step) {
    const all = [...this.root.querySelectorAll(".finding")].filter((one) => one.offsetParent !== null);
    if (!all.length) return;
    const now = all.indexOf(document.activeElement?.closest(".finding"));
    const next = all[now < 0 && step < 0 ? all.length - 1 : (now + step + all.length) % all.length];
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }
}

async function reason(answer, t) {
  if (!answer) return t("refused.unreachable");
  const code = (await answer.json().catch(() => ({})))?.error?.code ?? String(answer.status);
  return t(`refused.${code}`) === `refused.${code}` ? t("refused.other", { code }) : t(`refused.${code}`);
}
