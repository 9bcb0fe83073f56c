// Judging without leaving the page, and by keys: a accept, r reject, c correct, u take back; with Shift the whole draft.

// What has been written and is not kept yet stays on the page: whoever is signed out meanwhile, or cannot reach the office, reads beside
// it what to do, and leaving the page asks first.

import { call, make } from "../base.js";

const VERDICTS = { a: "accepted", r: "rejected", u: "taken-back" };
const TYPING = "input, select, textarea, [contenteditable]";

export class Reviews {
  /**
   * @param {HTMLElement} root
   * @param {(words: string) => void} say
   * @param {() => string[]} lit  the findings that are lit, for when the focus is on none
   */
  constructor(root, t, say, lit) {
    this.root = root;
    this.t = t;
    this.say = say;
    this.lit = lit;
    this.sending = Promise.resolve();
    addEventListener("beforeunload", (event) => this.#written().length && event.preventDefault());
    root.addEventListener("submit", (event) => this.#submitted(event));
    document.addEventListener("keydown", (event) => this.#key(event)); // a page that has just come has its focus on nothing
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
    this.sending = this.sending.then(() => this.#sent(form, data, box));
  }

  async #sent(form, data, box) {
    try {
      const answer = await call(form.action, { method: "POST", body: new URLSearchParams(data), headers: { Accept: "application/json" } });
      this.#kept(box, data, await answer.text());
    } catch (error) {
      if (error.status === 409 && error.text?.includes("data-newer")) this.#overtaken(box, form, error.text);
      else this.#unsaved(box, error);
    }
  }

  #kept(box, data, text) {
    const undone = data.get("verdict") === "taken-back";
    const writing = undone ? written(box) : [];
    const inside = box.contains(document.activeElement);
    box.innerHTML = text; // of this site, escaped by the server as every page is
    rewrite(box, writing);
    this.say(this.t(undone ? "study.review.taken_back_of" : "study.review.saved_of", { subject: this.#name(data.get("finding")) }));
    if (inside) (box.closest(".finding") ?? box.querySelector("button"))?.focus({ preventScroll: true });
  }

  /** Somebody else has judged the same meanwhile. What was entered stays, and can be sent again by who has read that. */
  #overtaken(box, form, notice) {
    box.querySelector(".unsaved")?.remove();
    const part = make("div", { class: "unsaved" });
    part.innerHTML = notice; // as above
    box.prepend(part);
    const despite = form.elements.namedItem("despite") ?? form.appendChild(make("input", { type: "hidden", name: "despite" }));
    despite.value = part.querySelector("[data-newer]").dataset.newer;
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
