// One film on the screen: canvas, boxes, letters, scale. It draws what the room tells it and reports what hands do to it.

import { make } from "../base.js";
import { asWindow, grays, modality } from "./gray.js";

const SCALES = [200, 100, 50, 20, 10, 5, 2, 1]; // mm
const CLOSEST = 32; // screen pixels for one of the film

export class Pane {
  /**
   * @param {import("./film.js").Film} film
   * @param {(key: string, values?: object) => string} t
   */
  constructor(film, t, number) {
    this.film = film;
    this.t = t;
    this.look = { preset: 0, shift: 0, factor: 1, inverted: false };
    this.place = { zoom: 1, u: 0.5, v: 0.5 }; // of what fits; the middle of the screen, 0 to 1 of the picture
    this.lit = new Set();
    this.boxesShown = true;
    this.presets = [];
    this.asked = false;
    const title = film.figure.querySelector("figcaption").textContent.replace(/\s+/g, " ").trim();
    this.canvas = make("canvas", {
      tabindex: "0", role: "application", "aria-label": title, "aria-describedby": "viewer-help",
      "data-number": String(number),
    });
    this.stage = make("div", { class: "stage" }, this.canvas);
    this.letters = {};
    for (const edge of ["left", "right", "top", "bottom"]) {
      this.letters[edge] = this.stage.appendChild(make("span", { class: `letter edge-${edge}`, "aria-hidden": "true" }));
    }
    this.warning = this.stage.appendChild(make("p", { class: "film-warning" }));
    this.facts = this.stage.appendChild(make("p", { class: "film-facts", "aria-hidden": "true" }));
    this.under = this.stage.appendChild(make("p", { class: "film-under", "aria-hidden": "true" }));
    this.scale = this.stage.appendChild(make("span", { class: "scale", "aria-hidden": "true" }));
    this.stage.appendChild(make("p", { class: "film-beside", text: t("study.beside") }));
    film.preview.classList.add("behind");
    film.figure.append(this.stage);
    this.depth = t("study.viewer.preview");
    new ResizeObserver(() => this.ask()).observe(this.stage);
  }

  /** Preview first; then how it is shown, then all of it. */
  async start() {
    const { film, t } = this;
    if (film.preview.complete) this.ask();
    else film.preview.addEventListener("load", () => this.ask(), { once: true });
    try {
      await film.learn();
      this.tell();
      this.depth = `${t("study.viewer.preview")}, ${t("study.viewer.loading")}`;
      this.ask();
      await film.load();
      this.depth = t("study.viewer.full_depth", { bits: film.about.bits_stored });
      this.recolour();
    } catch (error) {
      this.depth = t("study.viewer.preview");
      this.warn(film.about ? t("study.viewer.failed") : `${t("study.film.cannot")} ${error.message}`);
      this.ask();
    }
  }

  /** What the header tells of sides. */
  tell() {
    const { about } = this.film;
    for (const [edge, element] of Object.entries(this.letters)) element.textContent = about.letters?.[edge] ?? "";
    const { turn } = about;
    if (!turn.known || !about.letters) this.warn(this.t("study.viewer.unknown_orientation"));
    if (turn.turned) this.warn(this.t("study.viewer.turned"));
    if (turn.upside_down) this.warn(this.t("study.viewer.upside_down"));
    if (turn.mirrored) this.warn(this.t("study.viewer.mirrored"));
  }

  warn(words) {
    this.warning.append(make("span", { text: words }), make("br"));
  }

  /** The contrast that `look` comes to. */
  get contrast() {
    const { about } = this.film;
    const { preset, shift, factor } = this.look;
    const chosen = this.presets[Math.min(preset, this.presets.length - 1)].contrast;
    if (shift === 0 && factor === 1) return chosen;
    const base = asWindow(about, chosen);
    const darker = about.inverted ? -1 : 1; // the same hand makes every film darker
    return { ...base, center: base.center + darker * shift * base.width, width: Math.max(base.width * factor, 1) };
  }

  recolour() {
    if (!this.film.isFull) return;
    this.film.show(grays(this.film.about, this.contrast, this.look.inverted));
    this.ask();
  }

  /** Where the picture lies on the canvas: screen = zoom * picture + (x, y). */
  get geometry() {
    const { width, height } = this.canvas;
    const [columns, rows] = this.film.size;
    const fit = Math.min(width / columns, height / rows);
    const zoom = fit * this.place.zoom;
    return { zoom, fit, x: width / 2 - this.place.u * columns * zoom, y: height / 2 - this.place.v * rows * zoom };
  }

  /** The place of the picture under a point of the screen (CSS pixels of the canvas). */
  pictureAt(left, top) {
    const ratio = this.canvas.width / this.canvas.clientWidth;
    const { zoom, x, y } = this.geometry;
    return [(left * ratio - x) / zoom, (top * ratio - y) / zoom];
  }

  /** Zoom so that the point under the hand stays there. */
  zoomed(factor, left = this.canvas.clientWidth / 2, top = this.canvas.clientHeight / 2) {
    const { zoom, fit } = this.geometry;
    const wanted = Math.min(Math.max(this.place.zoom * factor, 0.5), Math.max(1, CLOSEST / fit));
    const [px, py] = this.pictureAt(left, top);
    const [columns, rows] = this.film.size;
    const next = wanted * fit;
    const ratio = this.canvas.width / this.canvas.clientWidth;
    const u = (px - (left * ratio - this.canvas.width / 2) / next) / columns;
    const v = (py - (top * ratio - this.canvas.height / 2) / next) / rows;
    return zoom === next ? this.place : { zoom: wanted, ...within(u, v) };
  }

  /** Moved by so many CSS pixels. */
  moved(dx, dy) {
    const ratio = this.canvas.width / this.canvas.clientWidth;
    const { zoom } = this.geometry;
    const [columns, rows] = this.film.size;
    return {
      zoom: this.place.zoom,
      ...within(this.place.u - (dx * ratio) / zoom / columns, this.place.v - (dy * ratio) / zoom / rows),
    };
  }

  /** The finding whose box lies under a point; the smallest, where several do. */
  boxAt(left, top) {
    if (!this.boxesShown || !this.film.about) return null;
    const [px, py] = this.pictureAt(left, top);
    const area = (b) => (b[2] - b[0]) * (b[3] - b[1]);
    const hit = this.film.boxes
      .map((one) => ({ ...one, seen: this.film.inPicture(one.box) }))
      .filter(({ seen: [x0, y0, x1, y1] }) => px >= x0 && px <= x1 && py >= y0 && py <= y1)
      .sort((a, b) => area(a.seen) - area(b.seen));
    return hit[0]?.concept ?? null;
  }

  /** Say what is stored under a point. */
  probe(left, top) {
    const found = this.film.about && this.film.valueAt(...this.pictureAt(left, top));
    const words = found ? this.t("study.viewer.value", { x: found.column, y: found.row, value: Math.round(modality(this.film.about, found.value)) }) : "";
    this.under.textContent = words;
  }

  /** Draw before the next picture of the screen, once however often it is asked. */
  ask() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.draw();
    });
  }

  draw() {
    const { canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
    if (!width || !height) return;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d", { alpha: false });
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    const geometry = this.geometry;
    this.film.draw(context, geometry);
    context.setTransform(1, 0, 0, 1, 0, 0);
    if (this.boxesShown && this.film.about) this.#boxes(context, geometry, ratio);
    this.#facts(geometry, ratio);
    canvas.dataset.drawn = this.film.isFull ? "full" : "preview";
  }

  #boxes(context, { zoom, x, y }, ratio) {
    context.font = `${12 * ratio}px system-ui, "DejaVu Sans", sans-serif`;
    context.textBaseline = "top";
    for (const { concept, label, box } of this.film.boxes) {
      const [x0, y0, x1, y1] = this.film.inPicture(box);
      const [left, top, wide, high] = [zoom * x0 + x, zoom * y0 + y, zoom * (x1 - x0), zoom * (y1 - y0)];
      const lit = this.lit.has(concept);
      context.globalAlpha = this.lit.size && !lit ? 0.45 : 1;
      context.lineWidth = (lit ? 3 : 1.5) * ratio;
      context.strokeStyle = "#000";
      context.strokeRect(left - ratio, top - ratio, wide + 2 * ratio, high + 2 * ratio);
      context.strokeStyle = lit ? "#ffd24a" : "#5bc8f5";
      context.strokeRect(left, top, wide, high);
      const text = context.measureText(label).width;
      const line = 15 * ratio;
      const above = top - line >= 0 ? top - line : top;
      context.fillStyle = "rgba(0, 0, 0, 0.75)";
      context.fillRect(left, above, text + 6 * ratio, line);
      context.fillStyle = lit ? "#ffd24a" : "#9fdcf8";
      context.fillText(label, left + 3 * ratio, above + 2 * ratio);
    }
    context.globalAlpha = 1;
  }

  #facts({ zoom }, ratio) {
    const { film, t } = this;
    const parts = [`${Math.round(100 * zoom)} %`, this.depth];
    if (film.isFull) {
      const { center, width } = asWindow(film.about, this.contrast);
      parts.unshift(`C ${Math.round(center)}, W ${Math.round(width)}`);
    }
    if (this.look.inverted) parts.push(t("study.viewer.inverted"));
    const side = film.about?.laterality;
    if (side && side !== "U") parts.push(t("study.viewer.laterality", { side }));
    this.facts.textContent = parts.join(" · ");
    const millimetres = film.millimetres;
    this.scale.hidden = !millimetres;
    if (!millimetres) return;
    const perMillimetre = zoom / ratio / millimetres; // CSS pixels
    const length = SCALES.find((mm) => mm * perMillimetre <= this.canvas.clientWidth / 3) ?? 1;
    this.scale.style.width = `${length * perMillimetre}px`;
    const words = length >= 10 ? `${length / 10} cm` : `${length} mm`;
    this.scale.textContent = t(`study.viewer.${film.about.spacing.at === "patient" ? "in_patient" : "at_detector"}`, { length: words });
  }
}

function within(u, v) {
  return { u: Math.min(Math.max(u, 0), 1), v: Math.min(Math.max(v, 0), 1) };
}
