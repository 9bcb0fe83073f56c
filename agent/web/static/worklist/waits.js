// How long each study has waited, counted on.

/** @param {HTMLElement} table */
export function waits(table, t) {
  const say = () => {
    for (const time of table.querySelectorAll("time.wait")) {
      const words = inWords((Date.now() - Date.parse(time.dateTime)) / 60000, t);
      if (time.textContent !== words) time.textContent = words;
    }
  };
  setInterval(say, 20000);
}

function inWords(passed, t) {
  const minutes = Math.max(0, Math.floor(passed));
  if (minutes < 60) return t("worklist.wait.minutes", { count: minutes });
  if (minutes < 60 * 48) {
    return t("worklist.wait.hours", { hours: Math.floor(minutes / 60), minutes: String(minutes % 60).padStart(2, "0") });
  }
  return t("worklist.wait.days", { count: Math.floor(minutes / 1440) });
}
