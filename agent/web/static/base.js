// What every page's script shares: texts in the reader's language, and calls that say what went wrong.

const page = document.documentElement;
/** @type {Promise<(key: string, values?: Record<string, string | number>) => string> | undefined} */
let loading;

/** The texts of the page's language: t("study.review.whole"), t("study.film.from", {source: "archive"}); of a count of 1 that with _one. */
export function texts() {
  loading ??= fetch(`/texts/${page.dataset.build}/${page.lang}.json`)
    .then((answer) => answer.json())
    .then((all) => (key, values = {}) => ((values.count === 1 && all[`${key}_one`]) || (all[key] ?? key)).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole));
  return loading;
}

/** Headers of a call that the page makes by itself, while nobody may be there: it keeps nobody signed in. */
export const BY_ITSELF = { "X-By-Itself": "1" };

/** Why a call was not answered as it should be. `message` is for the person; `status` is 0 when nobody answered; `text`: what came. */
export class Refused extends Error {
  constructor(status, code, message, text = "") {
    super(message);
    this.status = status;
    this.code = code;
    this.text = text;
  }
}

/** What came back. Who is signed out stays where he or she is, with what was entered. Raises `Refused`. */
export async function call(url, options = {}) {
  const t = await texts();
  let answer;
  try {
    answer = await fetch(url, { credentials: "same-origin", redirect: "manual", ...options });
  } catch {
    throw new Refused(0, "unreachable", t("refused.unreachable"));
  }
  if (answer.status === 401 || answer.type === "opaqueredirect") throw new Refused(401, "not-signed-in", t("refused.not-signed-in"));
  if (!answer.ok) throw await reason(answer, t);
  return answer;
}

async function reason(answer, t) {
  const text = await answer.text().catch(() => "");
  if ((answer.headers.get("Content-Type") ?? "").startsWith("text/html")) {
    const said = new DOMParser().parseFromString(text, "text/html").getElementById("refused"); // the page has the words
    if (said) return new Refused(answer.status, said.dataset.code, said.textContent, text);
  }
  const code = codeIn(text) ?? String(answer.status);
  const rooms = ["outcome", "image", "guard", "doubt", "trouble"]; // where the server looks, too: Words.refused
  const key = [`refused.${code}`, ...rooms.map((room) => `codes.${room}.${code}`)].find((one) => t(one) !== one);
  return new Refused(answer.status, code, key ? t(key) : t("refused.other", { code }), text);
}

function codeIn(text) {
  try {
    return JSON.parse(text)?.error?.code;
  } catch {
    return undefined;
  }
}

/** An element: make("button", {type: "button", class: "x", text: "Fit"}, child). */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") element.textContent = value;
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter(Boolean));
  return element;
}
