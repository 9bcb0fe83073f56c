// Hears which studies have changed. While the page is out of sight it does not listen: a browser has few connections for all pages.

const GATHER_MS = 300; // several changes of one study come together
const SAY_LOST_MS = 5000;

/** @param {import("./lines.js").Lines} lines */
export function listen(lines, t, make) {
  let after = Number(lines.table.dataset.heard);
  /** @type {EventSource | undefined} */
  let source;
  let lostAt = 0;
  let ended = false;
  let again = 1000;
  const changed = new Set();
  let gathering = 0;
  let asking = Promise.resolve();

  const ask = () => {
    gathering = 0;
    const uids = [...changed];
    changed.clear();
    asking = asking
      .then(() => lines.changed(uids))
      .catch(() => {
        for (const uid of uids) changed.add(uid);
        lost();
      });
  };
  const gather = () => {
    if (changed.size && !gathering) gathering = setTimeout(ask, GATHER_MS);
  };

  function open() {
    if (source || ended || document.hidden) return;
    source = new EventSource(`/live?after=${after}`);
    source.onopen = () => {
      found();
      gather();
    };
    source.addEventListener("studies", (event) => {
      after = Number(event.lastEventId) || after;
      const said = JSON.parse(event.data);
      for (const uid of said.uids) changed.add(uid);
      if (said.gone || said.all) for (const uid of lines.shown()) changed.add(uid);
      gather();
    });
    source.addEventListener("signed-out", out);
    source.onerror = () => {
      lost();
      if (source?.readyState === EventSource.CLOSED) {
        close();
        probe();
      }
    };
  }

  function close() {
    source?.close();
    source = undefined;
  }

  /** A stream that was refused says not why: a look at the page does. */
  async function probe() {
    const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"uids": [], "wanted": {}}' };
    const answer = await fetch("/worklist/rows", options).catch(() => undefined);
    if (answer?.status === 401) {
      out();
      return;
    }
    setTimeout(open, again);
    again = Math.min(30000, again * 2);
  }

  function lost() {
    lostAt ||= Date.now();
  }

  function found() {
    lostAt = 0;
    again = 1000;
    place.hidden = true;
  }

  function out() {
    ended = true;
    close();
    place.replaceChildren(t("worklist.lost.ended"), " ", make("a", { href: "/sign-in", text: t("worklist.lost.sign_in") }));
    place.hidden = false;
  }

  const place = document.getElementById("lost");
  setInterval(() => {
    if (ended || !lostAt || document.hidden) return;
    const passed = Date.now() - lostAt;
    if (passed < SAY_LOST_MS) return;
    const minutes = Math.floor(passed / 60000);
    const text = minutes ? t("worklist.lost.minutes", { count: minutes }) : t("worklist.lost.seconds", { count: Math.floor(passed / 1000) });
    if (place.textContent !== text && (place.hidden || minutes || passed % 10000 < 1000)) place.textContent = text;
    place.hidden = false;
  }, 1000);
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
}
