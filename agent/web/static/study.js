// The page of a study: the viewer, the way from sentences to boxes, and judging with two keys.

import { make, texts } from "./base.js";
import { Evidence } from "./study/evidence.js";
import { watch } from "./study/fresh.js";
import { Reviews } from "./study/reviews.js";
import { Room } from "./viewer/room.js";

const t = await texts();
const body = document.querySelector(".study-body");
const speaker = body.appendChild(make("p", { class: "said", role: "status" }));
let quiet = 0;
const say = (words) => {
  speaker.textContent = words;
  clearTimeout(quiet);
  quiet = setTimeout(() => (speaker.textContent = ""), 4000);
};
const evidence = new Evidence(body, t, say);
new Reviews(body, t, say, () => [...evidence.kept]);
watch(body, t);
const viewer = document.getElementById("viewer");
if (viewer.querySelector(".film")) {
  const room = new Room(viewer, t, (concept, kept) => evidence.pointed(concept, kept));
  evidence.room = room;
  await room.start();
}
