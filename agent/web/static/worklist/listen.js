// Hears which studies have changed, and has the lines follow.

import { Hearing } from "../hear.js";

const GATHER_MS = 300; // several changes of one study come together
const AGAIN_MS = 5000;

/** @param {import("./lines.js").Lines} lines */
export function listen(lines, t) {
  let after = Number(lines.table.dataset.heard);
  const changed = new Set();
  let everything = false; // more has happened than was told
  let gathering = 0;
  let asking = Promise.resolve();

  const gather = (wait = GATHER_MS) => {
    if ((changed.size || everything) && !gathering) gathering = setTimeout(ask, wait);
  };

  function ask() {
    const uids = [...changed];
    const anew = everything;
    changed.clear();
    everything = false;
    asking = asking.then(async () => {
      gathering = 0;
      try {
        if (anew) await lines.anew();
        await lines.changed(uids);
        hearing.works("lines");
        gather();
      } catch (error) {
        if (error.status === 401) hearing.signedOut();
        else if (error.code === "search-lost") hearing.end(error.message, "/?all=1", t("worklist.lost.search_again"));
        else {
          for (const uid of uids) changed.add(uid);
          everything ||= anew;
          hearing.fails("lines");
          gather(AGAIN_MS);
        }
      }
    });
  }

  const told = (said, id) => {
    after = id || after;
    for (const uid of said.uids) changed.add(uid);
    if (said.gone || said.all) for (const uid of lines.shown()) changed.add(uid);
    everything ||= said.all;
    gather();
  };
  const hearing = new Hearing({ address: () => `/live?after=${after}`, opened: () => gather(), told }, t, document.getElementById("lost"));
}
