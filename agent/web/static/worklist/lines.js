// The lines of the table. What changes is asked for and put in its place: under who reads or works in the list nothing moves.

import { BY_ITSELF, Refused } from "../base.js";

const AT_TOP = 120; // pixels: as long as the beginning is seen, what is new may come in there

export class Lines {
  /** @param {HTMLTableElement} table */
  constructor(table, t, call, make) {
    this.table = table;
    this.body = table.tBodies[0];
    this.t = t;
    this.call = call;
    this.make = make;
    this.wanted = { ...JSON.parse(table.dataset.said), ...(table.dataset.search ? { s: table.dataset.search } : {}) };
    /** New or moved lines that wait until the reader wants them. @type {Map<string, {order: string, priority: string, html: string}>} */
    this.waiting = new Map();
    /** Whether more has happened than anybody has told. */
    this.overtaken = false;
    this.bringMore = () => {};
    this.body.addEventListener("click", (event) => {
      const line = event.target.closest("tr");
      if (!line || event.target.closest("a") || event.ctrlKey || String(getSelection())) return;
      line.querySelector("a.open").click();
    });
    this.body.addEventListener("focusin", (event) => this.mark(event.target.closest("tr")));
  }

  /** UIDs of what is shown. */
  shown() {
    return [...this.body.rows].map((line) => line.dataset.uid);
  }

  /** The line of a study. @returns {HTMLTableRowElement | undefined} */
  of(uid) {
    return [...this.body.rows].find((line) => line.dataset.uid === uid);
  }

  /** The line of some HTML that this server made. */
  made(html) {
    const holder = this.make("template");
    holder.innerHTML = html;
    return holder.content.querySelector("tr");
  }

  append(rows) {
    const known = new Set(this.shown());
    const added = [...rows].filter((row) => !known.has(row.dataset.uid)).map((row) => document.importNode(row, true));
    this.body.append(...added);
    return added[0];
  }

  mark(line) {
    for (const other of this.body.querySelectorAll("tr.here")) if (other !== line) other.classList.remove("here");
    line?.classList.add("here");
  }

  select(line) {
    this.mark(line);
    line.querySelector("a.open").focus({ preventScroll: true });
    line.scrollIntoView({ block: "nearest" });
  }

  move(step) {
    const all = [...this.body.rows];
    const at = all.findIndex((line) => line.classList.contains("here"));
    const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step));
    if (all[next]) this.select(all[next]);
    if (next === all.length - 1 && step > 0 && at === next) this.bringMore();
  }

  /** Ask what has become of these studies, and show it. */
  async changed(uids) {
    for (let start = 0; start < uids.length; start += 200) await this.ask(uids.slice(start, start + 200));
  }

  async ask(uids) {
    const answer = await this.call("/worklist/rows", {
      method: "POST",
      headers: { "Content-Type": "application/json", ...BY_ITSELF },
      body: JSON.stringify({ uids, wanted: this.wanted }),
    });
    const said = await answer.json();
    for (const row of said.rows) this.put(row);
    for (const uid of said.gone) this.leave(uid);
    document.getElementById("counts").innerHTML = said.counts;
    this.tell();
  }

  /** More has happened than anybody has told: the beginning of the list is asked for anew, unless somebody works in it. */
  async anew() {
    const typing = document.activeElement?.closest("input, select, textarea");
    if (!this.isFree() || typing || this.table.dataset.goingOn === "1") {
      this.overtaken = true;
      this.tell();
      return;
    }
    const answer = await this.call(this.table.dataset.here, { headers: { Accept: "text/html", ...BY_ITSELF } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (page.getElementById("lines").dataset.search !== this.table.dataset.search) {
      throw new Refused(409, "search-lost", this.t("refused.search-lost"));
    }
    this.begin(page);
  }

  /** The lines of another page in the place of these. */
  begin(page) {
    const known = new Set(this.shown());
    const focused = document.activeElement?.closest("tr")?.dataset.uid;
    const rows = [...page.getElementById("lines").tBodies[0].rows].map((row) => document.importNode(row, true));
    this.body.replaceChildren(...rows);
    this.waiting.clear();
    const added = rows.filter((row) => !known.has(row.dataset.uid));
    for (const row of added) row.classList.add("fresh");
    if (added.some((row) => row.classList.contains("critical-line"))) this.alert();
    for (const part of ["counts", "more"]) {
      const now = page.getElementById(part);
      if (now) document.getElementById(part)?.replaceWith(now) ?? document.querySelector("p.end").prepend(now);
      else document.getElementById(part)?.remove();
    }
    document.querySelector("p.nothing")?.remove();
    if (!rows.length) this.table.after(page.querySelector("p.nothing"));
    if (focused) this.of(focused)?.querySelector("a.open").focus({ preventScroll: true });
    this.tell();
  }

  put(row) {
    const line = this.of(row.uid);
    if (line) this.replace(line, row.html);
    const now = this.of(row.uid);
    if (now && (!row.order || this.fits(now, row.order))) {
      this.waiting.delete(row.uid);
      return;
    }
    if (!now && !this.belongs(row.order)) return;
    if (row.priority === "critical" && this.waiting.get(row.uid)?.priority !== "critical") this.alert();
    if (this.isFree() && row.order) this.insert(row.uid, row.order, row.html);
    else this.waiting.set(row.uid, row);
  }

  /** New cells in the old line: focus, selection and place stay. */
  replace(line, html) {
    const made = this.made(html);
    const focused = line.contains(document.activeElement);
    const here = line.classList.contains("here");
    if (line.innerHTML.trim() !== made.innerHTML.trim()) {
      line.replaceChildren(...made.childNodes);
      if (focused) line.querySelector("a.open").focus({ preventScroll: true });
    }
    line.className = made.className;
    line.classList.toggle("here", here);
    line.classList.remove("left");
    line.dataset.waiting = made.dataset.waiting;
  }

  /** Whether a line stands where it should. */
  fits(line, order) {
    const before = line.previousElementSibling?.dataset.order ?? "";
    const after = line.nextElementSibling?.dataset.order ?? "~";
    if (!(before <= order && order <= after)) return false;
    line.dataset.order = order;
    return true;
  }

  /** Whether a study that is not shown belongs among what is: not before a list that goes on from elsewhere, nor after its end. */
  belongs(order) {
    if (!order) return true;
    const last = this.body.rows[this.body.rows.length - 1];
    if (this.table.dataset.goingOn === "1") return false;
    return !document.getElementById("more") || !last || order < last.dataset.order;
  }

  /** Whether lines may come in by themselves: the beginning is in sight, and nobody works in the list. */
  isFree() {
    const within = this.body.contains(document.activeElement) && document.activeElement.closest("tr");
    return scrollY < AT_TOP && !(within && within !== this.body.rows[0]) && !String(getSelection());
  }

  insert(uid, order, html) {
    const old = this.of(uid);
    const focused = old?.contains(document.activeElement);
    const line = old ?? this.made(html);
    line.dataset.order = order;
    const next = [...this.body.rows].find((other) => other !== line && other.dataset.order > order);
    this.body.insertBefore(line, next ?? null);
    line.classList.add("fresh");
    if (focused) line.querySelector("a.open").focus({ preventScroll: true });
    document.querySelector("p.nothing")?.remove();
    this.waiting.delete(uid);
    return line;
  }

  /** A study is not among what is wanted any more. */
  leave(uid) {
    this.waiting.delete(uid);
    const line = this.of(uid);
    if (!line) return;
    if (this.isFree() && !line.contains(document.activeElement)) {
      line.remove();
      return;
    }
    if (!line.classList.contains("left")) {
      line.classList.add("left");
      line.querySelector("td.standing").append(this.make("span", { class: "quiet", text: this.t("worklist.new.left") }));
    }
  }

  /** Say how much is new and waits to be shown. */
  tell() {
    const news = document.getElementById("news");
    const count = this.waiting.size;
    if (!count && !this.overtaken) {
      news.replaceChildren();
      return;
    }
    const critical = [...this.waiting.values()].filter((row) => row.priority === "critical").length;
    const words = [this.overtaken ? this.t("worklist.new.much") : this.t("worklist.new.studies", { count })];
    if (critical) words.push(this.t("worklist.new.critical", { count: critical }));
    const text = `${words.join(", ")} - ${this.t("worklist.new.show")}`;
    const known = news.querySelector("button");
    if (known?.textContent === text) return;
    const button = known ?? this.make("button", { type: "button" });
    button.textContent = text;
    button.className = critical ? "first critical-news" : "first";
    if (!known) {
      button.addEventListener("click", () => this.showNew());
      news.append(button);
    }
  }

  /** What waited comes into its place, at the reader's wish; where the list has no order of its own it is loaded anew. */
  showNew() {
    if (!this.waiting.size && !this.overtaken) return;
    const rows = [...this.waiting.entries()].sort(([, a], [, b]) => (a.order < b.order ? -1 : 1));
    if (this.overtaken || rows.some(([, row]) => !row.order)) {
      location.href = this.table.dataset.here;
      return;
    }
    const put = rows.map(([uid, row]) => this.insert(uid, row.order, row.html));
    this.tell();
    scrollTo({ top: 0 });
    this.select(put[0]);
  }

  alert() {
    const place = document.getElementById("alert");
    place.textContent = "";
    setTimeout(() => (place.textContent = this.t("worklist.new.said")), 50);
  }

  say(words) {
    document.getElementById("news").append(this.make("p", { class: "bad", text: words }));
  }
}
