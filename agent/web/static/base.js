// What every page's script shares: texts in the reader's language, and calls that say what went wrong.

const page = document.documentElement;
/** @type {Promise<(key: string, values?: Record<string, string | number>) => string> | undefined} */
let loading;

/** The texts of the page's language: t("viewer.fit"), t("study.film.from", {source: "archive"}); of a count of 1 that with _one. */
export function texts() {
  loading ??= fetch(`/texts/${page.dataset.build}/${page.lang}.json`)
    .then((answer) => answer.json())
    .then((all) => (key, values = {}) => ((values.count === 1 && all[`${key}_one`]) || (all[key] ?? key)).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole));
  return loading;
}

/**
 * What came back, or an error whose message is for the person, with the status of the answer.
 * Whoever is not signed in any more is led to the sign-in page, unless `stay`: there is something on the page that would be lost.
 */
export async function call(url, { stay = false, ...options } = {}) {
  const t = await texts();
  let answer;
  try {
    answer = await fetch(url, { credentials: "same-origin", ...options });
  } catch {
    throw new Error(t("refused.unreachable"));
  }
  if (answer.status === 401 && !stay) {
    location.href = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
  }
  if (!answer.ok) throw Object.assign(new Error(await reason(answer, t)), { status: answer.status });
  return answer;
}

async function reason(answer, t) {
  const said = await answer.json().catch(() => ({}));
  const code = said?.error?.code ?? String(answer.status);
  for (const key of [`refused.${code}`, `codes.image.${code}`]) {
    if (t(key) !== key) return t(key);
  }
  return t("refused.other", { code });
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
