// The worklist: keys, more lines in place, and lines that change by themselves without taking anybody's place away.

import { call, make, texts } from "./base.js";
import { listen } from "./worklist/listen.js";
import { keys } from "./worklist/keys.js";
import { more } from "./worklist/more.js";
import { Lines } from "./worklist/lines.js";
import { waits } from "./worklist/waits.js";

const table = document.getElementById("lines");
const t = await texts();
const lines = new Lines(table, t, call, make);

keys(lines);
more(lines);
waits(table, t);
listen(lines, t);
