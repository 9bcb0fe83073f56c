// Judging without leaving the page, and by keys: a accept, r reject, c correct, u take back; with Shift the whole draft.

import { make } from "../base.js";

const VERDICTS = { a: "accepted", r: "rejected", u: "taken-back" };

export class Reviews {
  /**
   * @param {HTMLElement} root
   * @param {(words: string) => void} say
   * @param {() => string | undefined} chosen  the finding that is lit, where the focus is on none
   */
  constructor(root, t, say, chosen) {
    this.root = root;
    this.t = t;
    this.say = say;
    this.chosen = chosen;
    root.addEventListener("submit", (event) => this.#submitted(event));
    root.addEventListener("keydown", (event) => this.#key(event));
  }

  async #submitted(event) {
    const form = event.target.closest("form.judge");
    if (!form) return;
    event.preventDefault();
    await this.#send(form, event.submitter);
  }

  async #send(form, button) {
    const box = form.closest(".review");
    const data = new FormData(form, button);
    data.set("part", form.dataset.part ?? "finding");
    const back = document.activeElement?.closest(".finding") ?? null;
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(data), headers: { Accept: "application/json" } }).catch(() => undefined);
    box.querySelector(".unsaved")?.remove();
    if (answer?.status === 409) {
      overtaken(box, form, await answer.text());
    } else if (answer?.ok) {
      box.innerHTML = await answer.text(); // of this site, escaped by the server as every page is
      this.say(this.t(button.value === "taken-back" ? "study.review.taken_back" : "study.review.saved"));
      (back ?? box.querySelector("button"))?.focus({ preventScroll: true });
    } else {
      this.say(await reason(answer, this.t));
    }
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea")) return;
    const key = event.key.toLowerCase();
    if (key === "j" || key === "k") {
      this.#next(key === "j" ? 1 : -1);
      event.preventDefault();
      return;
    }
    const box = this.#box(event);
    if (!box || !(key in VERDICTS || key === "c")) return;
    event.preventDefault();
    if (key === "c") {
      const details = box.querySelector("details.correct");
      details?.setAttribute("open", "");
      details?.querySelector("select, textarea")?.focus();
      return;
    }
    const button = box.querySelector(`button[value="${VERDICTS[key]}"]`);
    if (button) void this.#send(button.form, button);
  }

  /** Where the judgement of a key belongs. */
  #box(event) {
    if (event.shiftKey) return this.root.querySelector('.review[data-subject=""]');
    const concept = event.target.closest(".finding")?.dataset.findings ?? this.chosen();
    return concept ? this.root.querySelector(`.review[data-subject="${CSS.escape(concept)}"]`) : null;
  }

  #next(step) {
    const all = [...this.root.querySelectorAll(".finding")].filter((one) => one.offsetParent !== null);
    const now = all.indexOf(document.activeElement?.closest(".finding"));
    const next = all[(now + step + all.length) % all.length];
    next?.focus({ preventScroll: true });
    next?.scrollIntoView({ block: "nearest" });
  }
}

/** Somebody else has judged the same meanwhile. What was entered stays, and can be sent again by who has read that. */
function overtaken(box, form, notice) {
  const part = make("div", { class: "unsaved" });
  part.innerHTML = notice; // as above
  box.prepend(part);
  const newer = part.querySelector("[data-newer]").dataset.newer;
  const despite = form.elements.namedItem("despite") ?? form.appendChild(make("input", { type: "hidden", name: "despite" }));
  despite.value = newer;
}

async function reason(answer, t) {
  if (!answer) return t("refused.unreachable");
  const code = (await answer.json().catch(() => ({})))?.error?.code ?? String(answer.status);
  return t(`refused.${code}`) === `refused.${code}` ? t("refused.other", { code }) : t(`refused.${code}`);
}
