// All films of the page together: tools, keys, hands, and what one film passes on to the others.

import { make } from "../base.js";
import { Film } from "./film.js";
import { presets } from "./gray.js";
import { Pane } from "./pane.js";

const STEP = 40; // CSS pixels a key moves
const DRAGGED = 250; // CSS pixels of a drag that are one width of the window

export class Room {
  /**
   * @param {HTMLElement} root
   * @param {(key: string, values?: object) => string} t
   * @param {(concept: string | null, kept: boolean) => void} pointed  a box has been pointed at, or chosen
   */
  constructor(root, t, pointed) {
    this.root = root;
    this.t = t;
    this.pointed = pointed;
    this.tool = "window";
    this.linked = true;
    this.hands = new Map();
    this.panes = [...root.querySelectorAll(".film")].map((figure, n) => new Pane(new Film(figure), t, n));
    this.active = this.panes[0];
    for (const pane of this.panes) this.#listen(pane);
    root.before(this.#tools());
    root.after(make("p", { id: "viewer-help", class: "quiet small", text: t("study.viewer.help") }));
    root.classList.add("live");
  }

  /** The first film first: it is what everybody waits for. */
  async start() {
    for (const pane of this.panes) await this.#begin(pane);
  }

  async #begin(pane) {
    const learned = pane.film.learn.bind(pane.film);
    pane.film.learn = async () => {
      await learned();
      pane.presets = presets(pane.film.about);
      this.#listPresets();
    };
    await pane.start();
  }

  /** Boxes of these findings are shown brighter. */
  light(concepts) {
    for (const pane of this.panes) {
      pane.lit = concepts;
      pane.ask();
    }
  }

  /** @param {(pane: Pane) => void} change */
  #each(pane, change) {
    for (const one of this.linked ? this.panes : [pane]) change(one);
  }

  #setPlace(pane, place) {
    this.#each(pane, (one) => {
      one.place = { ...place };
      one.ask();
    });
  }

  #setLook(pane, look) {
    const wanted = { ...pane.look, ...look };
    const chosen = pane.presets[wanted.preset];
    this.#each(pane, (one) => {
      // Films need not have the same windows: each takes its own of that kind.
      const same = one.presets.findIndex((p) => p.key === chosen?.key && p.values.n === chosen?.values.n);
      one.look = { ...wanted, preset: Math.max(0, same) };
      one.recolour();
    });
    this.#state();
  }

  #tools() {
    const { t } = this;
    const button = (key, act, pressed) => {
      const made = make("button", { type: "button", "data-act": key, "aria-pressed": pressed, text: t(`study.viewer.${key}`) });
      made.addEventListener("click", () => act(this.active));
      return made;
    };
    this.choice = make("select", { "aria-label": t("study.viewer.window") });
    this.choice.addEventListener("change", () =>
      this.#setLook(this.active, { preset: this.choice.selectedIndex, shift: 0, factor: 1 }));
    this.buttons = {
      window: button("window", () => this.#setTool("window"), "true"),
      pan: button("pan", () => this.#setTool("pan"), "false"),
      invert: button("invert", (pane) => this.#setLook(pane, { inverted: !pane.look.inverted }), "false"),
      fit: button("fit", (pane) => this.#setPlace(pane, { zoom: 1, u: 0.5, v: 0.5 })),
      one_to_one: button("one_to_one", (pane) => this.#oneToOne(pane)),
      boxes: button("boxes", () => this.#toggleBoxes(), "true"),
      link: button("link", () => this.#toggleLink(), "true"),
      layout_one: button("layout_one", (pane) => this.#toggleLayout(pane), "false"),
      reset: button("reset", (pane) => this.#reset(pane)),
    };
    const { window, pan, ...rest } = this.buttons;
    if (this.panes.length < 2) {
      delete rest.link;
      delete rest.layout_one;
    }
    return make("div", { class: "viewer-tools", role: "toolbar", "aria-label": t("study.viewer.tools") }, window, pan, this.choice, ...Object.values(rest));
  }

  #listPresets() {
    const { t } = this;
    this.choice.replaceChildren(
      ...this.active.presets.map(({ key, values, name }) => make("option", { text: name ? `${t(key, values)}: ${name}` : t(key, values) })),
    );
    this.#state();
  }

  #state() {
    this.choice.selectedIndex = this.active.look.preset;
    this.buttons.invert.setAttribute("aria-pressed", String(this.active.look.inverted));
  }

  #setTool(tool) {
    this.tool = tool;
    this.buttons.window.setAttribute("aria-pressed", String(tool === "window"));
    this.buttons.pan.setAttribute("aria-pressed", String(tool === "pan"));
  }

  #oneToOne(pane) {
    this.#setPlace(pane, { ...pane.place, zoom: 1 / pane.geometry.fit });
  }

  #toggleBoxes() {
    const shown = !this.active.boxesShown;
    for (const pane of this.panes) {
      pane.boxesShown = shown;
      pane.ask();
    }
    this.buttons.boxes.setAttribute("aria-pressed", String(shown));
  }

  #toggleLink() {
    this.linked = !this.linked;
    this.buttons.link.setAttribute("aria-pressed", String(this.linked));
  }

  #toggleLayout(pane) {
    const one = this.root.classList.toggle("one");
    for (const other of this.panes) other.film.figure.classList.toggle("chosen", other === pane);
    this.buttons.layout_one.setAttribute("aria-pressed", String(one));
    pane.canvas.focus({ preventScroll: true });
  }

  #reset(pane) {
    this.#setPlace(pane, { zoom: 1, u: 0.5, v: 0.5 });
    this.#setLook(pane, { preset: 0, shift: 0, factor: 1, inverted: false });
  }

  #windowBy(pane, dx, dy) {
    const { shift, factor } = pane.look;
    this.#setLook(pane, { factor: Math.min(Math.max(factor * Math.exp(dx / DRAGGED), 0.005), 50), shift: shift + (dy / DRAGGED) * factor });
  }

  #activate(pane) {
    if (this.active === pane) return;
    this.active = pane;
    if (pane.presets.length) this.#listPresets();
  }

  #listen(pane) {
    const { canvas } = pane;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.addEventListener("focus", () => this.#activate(pane));
    canvas.addEventListener("pointerdown", (event) => {
      this.#activate(pane);
      canvas.setPointerCapture(event.pointerId);
      this.hands.set(event.pointerId, { at: at(event), began: at(event), pane });
      canvas.focus({ preventScroll: true });
      event.preventDefault();
    });
    canvas.addEventListener("pointermove", (event) => this.#move(pane, event, at(event)));
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => this.#lift(pane, event, at(event)));
    }
    canvas.addEventListener("pointerleave", () => {
      this.pointed(null, false);
      pane.probe(-1, -1);
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.#setPlace(pane, pane.zoomed(Math.exp(-event.deltaY / 400), ...at(event)));
    }, { passive: false });
    canvas.addEventListener("dblclick", () => this.panes.length > 1 && this.#toggleLayout(pane));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("keydown", (event) => this.#key(pane, event));
  }

  #move(pane, event, [left, top]) {
    const hand = this.hands.get(event.pointerId);
    if (!hand) {
      this.pointed(pane.boxAt(left, top), false);
      pane.probe(left, top);
      return;
    }
    const before = hand.at;
    const [dx, dy] = [left - before[0], top - before[1]];
    const mine = [...this.hands.values()].filter((h) => h.pane === pane);
    if (mine.length > 1) {
      const other = mine.find((h) => h !== hand).at;
      const spread = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]);
      const middle = [(left + other[0]) / 2, (top + other[1]) / 2];
      pane.place = pane.zoomed(spread([left, top]) / Math.max(1, spread(before)), ...middle);
      this.#setPlace(pane, pane.moved(dx / 2, dy / 2));
    } else if (this.tool === "pan" || event.shiftKey || event.buttons > 1) {
      this.#setPlace(pane, pane.moved(dx, dy));
    } else if (pane.film.isFull) {
      this.#windowBy(pane, dx, dy);
    }
    hand.at = [left, top];
  }

  #lift(pane, event, [left, top]) {
    const hand = this.hands.get(event.pointerId);
    this.hands.delete(event.pointerId);
    const still = hand && Math.hypot(left - hand.began[0], top - hand.began[1]) < 4;
    if (still && event.type === "pointerup") this.pointed(pane.boxAt(left, top), true);
  }

  #key(pane, event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = {
      ArrowLeft: () => this.#setPlace(pane, pane.moved(STEP, 0)),
      ArrowRight: () => this.#setPlace(pane, pane.moved(-STEP, 0)),
      ArrowUp: () => this.#setPlace(pane, pane.moved(0, STEP)),
      ArrowDown: () => this.#setPlace(pane, pane.moved(0, -STEP)),
      "+": () => this.#setPlace(pane, pane.zoomed(1.25)),
      "=": () => this.#setPlace(pane, pane.zoomed(1.25)),
      "-": () => this.#setPlace(pane, pane.zoomed(0.8)),
      w: () => this.#windowBy(pane, 0, -25),
      s: () => this.#windowBy(pane, 0, 25),
      e: () => this.#windowBy(pane, -25, 0),
      d: () => this.#windowBy(pane, 25, 0),
      i: () => this.#setLook(pane, { inverted: !pane.look.inverted }),
      0: () => this.#setPlace(pane, { zoom: 1, u: 0.5, v: 0.5 }),
      1: () => this.#oneToOne(pane),
      b: () => this.#toggleBoxes(),
      l: () => this.#toggleLink(),
      m: () => this.panes.length > 1 && this.#toggleLayout(pane),
      p: () => this.#setLook(pane, { preset: (pane.look.preset + 1) % Math.max(1, pane.presets.length), shift: 0, factor: 1 }),
      Backspace: () => this.#reset(pane),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }
}
