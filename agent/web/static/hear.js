// Hears what happens, and says when nothing can be heard: a page that looks alive and is not would be believed. While it is out of
// sight a page does not listen: a browser has few connections for all pages.

import { make } from "./base.js";

const SAY_LOST_MS = 5000;
const SILENT_MS = 45000; // of a stream that says something every 15 seconds: nobody is at the other end
const FIRST_AGAIN_MS = 1000;
const LAST_AGAIN_MS = 30000;

export class Hearing {
  #page;
  #t;
  #place;
  /** @type {EventSource | undefined} */
  #source;
  #heardAt = 0;
  #again = FIRST_AGAIN_MS;
  #trouble = "";
  #ended = false;
  /** What does not work, and since when. @type {Map<string, number>} */
  #lost = new Map();

  /**
   * @param {object} page
   * @param {() => string} page.address  of the stream
   * @param {() => void} page.opened  it is heard: whatever happened while it was not may have to be asked for
   * @param {(said: {uids: string[], gone: boolean, all: boolean}, id: number) => void} page.told
   * @param {boolean} [page.holds]  something may have been entered that must not be lost: one signs in elsewhere
   * @param {HTMLElement} place  where the reader is told
   */
  constructor(page, t, place) {
    this.#page = page;
    this.#t = t;
    this.#place = place;
    setInterval(() => this.#look(), 1000);
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#close() : this.#open()));
    addEventListener("pagehide", () => this.#close());
    addEventListener("pageshow", () => this.#open());
    this.#open();
  }

  /** Something of that name could not be done: what is shown may be out of date. */
  fails(what) {
    if (!this.#lost.has(what)) this.#lost.set(what, Date.now());
  }

  /** It can be done again. */
  works(what) {
    this.#lost.delete(what);
    this.#say();
  }

  /** There is nothing more to be heard of. */
  stop() {
    this.#ended = true;
    this.#close();
    this.#place.hidden = true;
  }

  /** Nothing will be heard any more on this page, for that reason; what can be done about it stands at `href`. */
  end(words, href, text) {
    this.#ended = true;
    this.#close();
    const elsewhere = this.#page.holds ? { target: "_blank", rel: "noopener" } : {};
    this.#place.replaceChildren(words, " ", make("a", { href, text, ...elsewhere }));
    this.#place.hidden = false;
  }

  /** Whoever read the page is signed out. */
  signedOut() {
    const back = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
    this.end(this.#t("worklist.lost.ended"), back, this.#t("worklist.lost.sign_in"));
  }

  #open() {
    if (this.#source || this.#ended || document.hidden) return;
    const source = new EventSource(this.#page.address());
    this.#source = source;
    this.#heardAt = Date.now();
    source.onopen = () => {
      this.#heardAt = Date.now();
      this.#again = FIRST_AGAIN_MS;
      this.#trouble = ""; // what there is of it is said at once
      this.works("stream");
      this.#page.opened();
    };
    source.addEventListener("still", (event) => this.#heard(event));
    source.addEventListener("studies", (event) => this.#page.told(this.#heard(event), Number(event.lastEventId)));
    source.addEventListener("signed-out", () => this.signedOut());
    source.onerror = () => {
      this.fails("stream");
      if (source.readyState !== EventSource.CLOSED || this.#source !== source) return; // else the browser comes again by itself
      this.#close();
      void this.#probe();
    };
  }

  #heard(event) {
    const said = JSON.parse(event.data);
    this.#heardAt = Date.now();
    this.#trouble = said.trouble;
    if (said.trouble !== "late") document.getElementById("late")?.remove(); // it was so when the page was made
    this.#say();
    return said;
  }

  #close() {
    this.#source?.close();
    this.#source = undefined;
  }

  /** A stream that was refused says not why: the same call, made once more, does. */
  async #probe() {
    const once = new AbortController();
    const answer = await fetch(this.#page.address(), { signal: once.signal }).catch(() => undefined);
    const isOut = answer?.status === 401;
    const code = answer && !answer.ok ? (await answer.json().catch(() => ({})))?.error?.code : "";
    once.abort();
    if (isOut) {
      this.signedOut();
      return;
    }
    if (code === "too-many-streams") this.#trouble = code;
    setTimeout(() => this.#open(), this.#again);
    this.#again = Math.min(LAST_AGAIN_MS, this.#again * 2);
  }

  #look() {
    if (this.#ended || document.hidden) return;
    if (this.#source?.readyState === EventSource.OPEN && Date.now() - this.#heardAt > SILENT_MS) {
      this.#close();
      this.fails("stream");
      this.#open();
    }
    this.#say();
  }

  #say() {
    if (this.#ended) return;
    const words = this.#words();
    if (words && this.#place.textContent !== words) this.#place.textContent = words;
    this.#place.hidden = !words;
  }

  /** What is wrong; empty while nothing is. */
  #words() {
    const passed = this.#lost.size ? Date.now() - Math.min(...this.#lost.values()) : 0;
    if (this.#trouble === "too-many-streams" && this.#lost.has("stream")) return this.#t("refused.too-many-streams");
    if (passed >= SAY_LOST_MS) {
      const minutes = Math.floor(passed / 60000);
      if (minutes) return this.#t("worklist.lost.minutes", { count: minutes });
      return this.#t("worklist.lost.seconds", { count: Math.max(5, Math.floor(passed / 10000) * 10) }); // not every second anew
    }
    if (this.#trouble === "late" && document.getElementById("late")) return ""; // the page says it, and since when
    return this.#trouble ? this.#t(`worklist.lost.${this.#trouble}`) : "";
  }
}
