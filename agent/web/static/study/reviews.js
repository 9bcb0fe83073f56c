// Judging without leaving the page, and by keys: a accept, r reject, c correct, u take back; with Shift the whole draft.

// What has been written and is not kept yet stays on the page: whoever is signed out meanwhile, or cannot reach the office, reads beside
// it what to do, and leaving the page asks first.

import { call, make } from "../base.js";

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
    this.sending = Promise.resolve();
    addEventListener("beforeunload", (event) => this.#written().length && event.preventDefault());
    root.addEventListener("submit", (event) => this.#submitted(event));
    root.addEventListener("keydown", (event) => this.#key(event));
  }

  #submitted(event) {
    const form = event.target.closest("form.judge");
    if (!form) return;
    event.preventDefault();
    this.#send(form, event.submitter);
  }

  /** Fields with words in them that are not kept yet. */
  #written() {
    return [...this.root.querySelectorAll(".judge textarea")].filter((field) => field.value.trim());
  }

  /** One after the other, as they were said: of two about one thing the newest counts. */
  #send(form, button) {
    const box = form.closest(".review");
    const data = new FormData(form, button);
    data.set("part", form.dataset.part ?? "finding");
    const back = document.activeElement?.closest(".finding") ?? null;
    this.sending = this.sending.then(() => this.#sent(form.action, data, box, back));
  }

  async #sent(url, data, box, back) {
    const undone = data.get("verdict") === "taken-back";
    try {
      const answer = await call(url, { method: "POST", body: new URLSearchParams(data), headers: { Accept: "application/json" }, stay: true });
      const text = await answer.text();
      const writing = undone ? written(box) : [];
      box.innerHTML = text; // of this site, escaped by the server as every page is
      rewrite(box, writing);
      this.say(this.t(undone ? "study.review.taken_back" : "study.review.saved"));
      (back ?? box.querySelector("button"))?.focus({ preventScroll: true });
    } catch (error) {
      this.#unsaved(box, error);
    }
  }

  /** Stays until it is kept: a judgement that is not must not look as if it were. */
  #unsaved(box, error) {
    box.querySelector(".unsaved")?.remove();
    const out = error.status === 401;
    const words = out ? this.t("study.review.signed_out") : this.t("study.review.unsaved", { why: error.message });
    const way = out ? make("a", { href: "/sign-in", target: "_blank", rel: "noopener", text: this.t("worklist.lost.sign_in") }) : null;
    box.prepend(make("p", { class: "bad unsaved", role: "alert" }, words, " ", way));
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
    if (button) this.#send(button.form, button);
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

/** What somebody is writing in the form that has a field for words: name and value of each of its fields. */
function written(box) {
  const form = box.querySelector("textarea")?.form;
  return form?.querySelector("textarea").value.trim() ? [...form.querySelectorAll("select, textarea")].map((f) => [f.name, f.value]) : [];
}

/** The same in the form that has come in its place. */
function rewrite(box, fields) {
  const form = box.querySelector("textarea")?.form;
  if (!form || !fields.length) return;
  for (const [name, value] of fields) form.querySelector(`[name="${name}"]`).value = value;
  form.querySelector("details.correct")?.setAttribute("open", "");
}
