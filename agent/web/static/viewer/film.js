// One film: its preview at once, then every stored value, in levels of half the size each, painted through a table of grays.

import { call } from "../base.js";

const LEAST_LEVEL = 256; // rows or columns; smaller ones are not worth keeping

/** Half the size, each value the mean of four. */
function halved({ width, height, values }) {
  const w = width >> 1;
  const h = height >> 1;
  const made = new values.constructor(w * h);
  for (let y = 0, n = 0; y < h; y += 1) {
    let at = 2 * y * width;
    for (let x = 0; x < w; x += 1, n += 1, at += 2) {
      made[n] = (values[at] + values[at + 1] + values[at + width] + values[at + width + 1] + 2) >> 2;
    }
  }
  return { width: w, height: h, values: made };
}

class Level {
  constructor({ width, height, values }) {
    this.width = width;
    this.height = height;
    this.values = values;
    this.canvas = null; // made when it is first painted: the largest one may never be
    this.stamp = -1;
  }

  #prepare() {
    this.canvas = new OffscreenCanvas(this.width, this.height);
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.image = this.context.createImageData(this.width, this.height);
    this.pixels = new Uint32Array(this.image.data.buffer);
  }

  /** @param {Uint32Array} palette  colour of each stored value from `least` on */
  paint(palette, least, stamp) {
    if (this.stamp === stamp) return;
    if (!this.canvas) this.#prepare();
    const { values, pixels } = this;
    for (let n = 0; n < values.length; n += 1) pixels[n] = palette[values[n] - least];
    this.context.putImageData(this.image, 0, 0);
    this.stamp = stamp;
  }
}

export class Film {
  /** @param {HTMLElement} figure */
  constructor(figure) {
    this.figure = figure;
    this.at = figure.dataset.at;
    this.which = figure.dataset.which;
    this.role = figure.dataset.role;
    this.boxes = JSON.parse(figure.dataset.boxes);
    this.preview = figure.querySelector("img");
    this.about = null;
    this.levels = [];
    this.palette = null;
    this.stamp = 0;
  }

  /** [columns, rows] of the upright picture. */
  get size() {
    return this.about ? this.about.size : [this.preview.naturalWidth || 1, this.preview.naturalHeight || 1];
  }

  get isFull() {
    return this.levels.length > 0;
  }

  /** How the film is to be shown. */
  async learn() {
    this.about = await (await call(`${this.at}/about${this.which}`)).json();
  }

  /** Every stored value. */
  async load() {
    const { rows, columns, signed } = this.about;
    const bytes = await (await call(`${this.at}/values${this.which}`)).arrayBuffer();
    if (bytes.byteLength !== 2 * rows * columns) throw new Error("incomplete");
    const values = signed ? new Int16Array(bytes) : new Uint16Array(bytes);
    let level = { width: columns, height: rows, values };
    const made = [];
    for (;;) {
      made.push(new Level(level));
      if (Math.min(level.width, level.height) < 2 * LEAST_LEVEL) break;
      level = halved(level);
    }
    this.levels = made;
  }

  /** @param {Uint8Array} grays  of every value from about.least on */
  show(grays) {
    this.palette = Uint32Array.from(grays, (g) => 0xff000000 | (g << 16) | (g << 8) | g);
    this.stamp += 1;
  }

  /** The stored value at a place of the picture, or undefined. */
  valueAt(x, y) {
    if (!this.isFull) return undefined;
    const [column, row] = invert(this.about.matrix, x, y).map(Math.floor);
    const { rows, columns } = this.about;
    if (column < 0 || row < 0 || column >= columns || row >= rows) return undefined;
    return { column, row, value: this.levels[0].values[row * columns + column] };
  }

  /**
   * Draw the film where `place` has put the picture: screen = zoom * picture + (x, y), in pixels of the canvas.
   * @param {CanvasRenderingContext2D} context
   */
  draw(context, { zoom, x, y }) {
    context.imageSmoothingEnabled = zoom < 3;
    context.imageSmoothingQuality = "medium";
    if (!this.isFull) {
      const [columns, rows] = this.size;
      context.setTransform(zoom, 0, 0, zoom, x, y);
      if (this.preview.complete && this.preview.naturalWidth) context.drawImage(this.preview, 0, 0, columns, rows);
      return;
    }
    const [[a, b, c], [d, e, f]] = this.about.matrix;
    const perPixel = zoom * Math.hypot(a, d);
    let depth = 0;
    while (depth + 1 < this.levels.length && perPixel * 2 ** (depth + 1) <= 1) depth += 1;
    const level = this.levels[depth];
    level.paint(this.palette, this.about.least, this.stamp);
    context.setTransform(zoom * a, zoom * d, zoom * b, zoom * e, zoom * c + x, zoom * f + y);
    context.save();
    this.#shut(context);
    context.drawImage(level.canvas, 0, 0, level.width * 2 ** depth, level.height * 2 ** depth);
    context.restore();
  }

  /** Nothing is drawn outside the display shutter; its openings are in corners of stored pixels. */
  #shut(context) {
    for (const shape of this.about.shutter) {
      context.beginPath();
      if (shape.kind === "rectangle") {
        context.rect(shape.left, shape.top, shape.right - shape.left, shape.bottom - shape.top);
      } else if (shape.kind === "circle") {
        context.arc(shape.column, shape.row, shape.radius, 0, 2 * Math.PI);
      } else {
        shape.points.forEach(([column, row], n) => (n ? context.lineTo(column, row) : context.moveTo(column, row)));
        context.closePath();
      }
      context.clip();
    }
  }

  /** A box, which is in columns and rows of the stored image, in the picture: [x0, y0, x1, y1]. Both count corners. */
  inPicture([x0, y0, x1, y1]) {
    const [[a, b, c], [d, e, f]] = this.about.matrix;
    const xs = [a * x0 + b * y0 + c, a * x1 + b * y1 + c];
    const ys = [d * x0 + e * y0 + f, d * x1 + e * y1 + f];
    return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  }

  /** Millimetres of one picture pixel across, or null. */
  get millimetres() {
    const spacing = this.about?.spacing;
    if (!spacing) return null;
    const [[a, b]] = this.about.matrix;
    return Math.abs(a) >= Math.abs(b) ? spacing.column / Math.abs(a) : spacing.row / Math.abs(b);
  }
}

function invert([[a, b, c], [d, e, f]], x, y) {
  const determinant = a * e - b * d;
  return [(e * (x - c) - b * (y - f)) / determinant, (a * (y - f) - d * (x - c)) / determinant];
}
