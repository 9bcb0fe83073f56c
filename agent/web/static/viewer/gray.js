// Stored values to gray (PS3.3 C.11): one table for all values of a film, so that a window costs one look-up a pixel.
// The same arithmetic as agent/imaging/render.py; tests compare the two.

/**
 * @typedef {{kind: string, center?: number, width?: number, function?: string, index?: number, falling?: boolean}} Contrast
 * falling: what is high is dark
 */

/** Modality value of a stored value. */
export function modality(about, stored) {
  const { table, slope, intercept } = about.modality;
  return table ? table.values[stored - table.first] : slope * stored + intercept;
}

function windowed(value, { center, width, function: name }) {
  if (name === "SIGMOID") return 1 / (1 + Math.exp((-4 * (value - center)) / width));
  if (name === "LINEAR_EXACT") return (value - center) / width + 0.5;
  if (width <= 1) return value > center - 0.5 ? 1 : 0;
  return (value - (center - 0.5)) / (width - 1) + 0.5;
}

/**
 * Gray, 0 to 255, of every stored value from about.least to about.most.
 * @param {Contrast} contrast
 * @param {boolean} inverted  what the reader asks for; MONOCHROME1 is added here
 */
export function grays(about, contrast, inverted) {
  const made = new Uint8Array(about.most - about.least + 1);
  const table = contrast.kind === "table" ? about.tables[contrast.index ?? 0] : null;
  const exchanged = (about.inverted !== inverted) !== Boolean(contrast.falling);
  for (let n = 0; n < made.length; n += 1) {
    const seen = table ? table.values[n] / 65535 : windowed(modality(about, about.least + n), contrast);
    const gray = Math.min(1, Math.max(0, seen));
    made[n] = Math.floor((exchanged ? 1 - gray : gray) * 255 + 0.5);
  }
  if (about.padding) {
    made.fill(0, about.padding[0] - about.least, about.padding[1] - about.least + 1); // what is no film stays black
  }
  return made;
}

/** A window that looks like a table, for who wants to change it. */
export function asWindow(about, contrast) {
  if (contrast.kind !== "table") return contrast;
  const { values } = about.tables[contrast.index ?? 0];
  const rising = values[values.length - 1] >= values[0];
  const where = (level) => {
    const found = values.findIndex((v) => (rising ? v >= level * 65535 : v <= level * 65535));
    return modality(about, about.least + (found < 0 ? values.length - 1 : found));
  };
  const [low, high] = [where(0.05), where(0.95)];
  return { kind: "window", center: (low + high) / 2, width: Math.max(2, Math.abs(high - low) / 0.9), function: "LINEAR", falling: !rising };
}

/** What a film can be shown as, in the order in which a key goes through them: name key, values for it, contrast. */
export function presets(about) {
  const made = [];
  const add = (key, contrast, values = {}, name = "") => made.push({ key, values, name, contrast });
  const first = about.initial.kind === "table" ? { kind: "table", index: 0 } : about.initial;
  add(about.initial.kind === "image" ? "study.viewer.preset_image" : "study.viewer.preset_header", first);
  about.windows.forEach((window, n) => {
    const same = first.kind !== "table" && window.center === first.center && window.width === first.width;
    if (!same) add("study.viewer.preset_n", { kind: "window", ...window }, { n: n + 1 }, window.name);
  });
  about.tables.forEach((table, index) => {
    if (first.kind !== "table") add("study.viewer.preset_table", { kind: "table", index }, {}, table.name);
  });
  const [low, high] = about.shown;
  add("study.viewer.preset_full", { kind: "window", center: (low + high + 1) / 2, width: high - low + 1, function: "LINEAR" });
  return made;
}
