// Reads and writes texts of windows with the script of the pages, which the server's own parser has to understand.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import vm from "node:vm";

const context = vm.createContext({});
vm.runInContext(readFileSync(process.argv[2], "utf8"), context);
const { read, write } = context.week;

/** The hours that have a value, as `day*24+hour`. */
function hours(kind, text, value = 1) {
  const found = read(kind, text);
  assert.ok(found, `${text} is a text`);
  return [...found.cells].flatMap((cell, hour) => (cell === value ? [hour] : []));
}

function rewritten(kind, text) {
  const { values, cells, isExact } = read(kind, text);
  assert.ok(isExact, `${text} is in whole hours`);
  return write(kind, values, cells);
}

const range = (from, to) => Array.from({ length: to - from }, (_, at) => from + at);

// What is read.
assert.deepEqual(hours("windows", "Mon/8-10"), [8, 9]);
assert.deepEqual(hours("windows", " 1 / 8 - 10 "), [8, 9]);
assert.deepEqual(hours("windows", "mon,TUE/0-1"), [0, 24]);
assert.deepEqual(hours("windows", "Sun/23-1"), [0, 167]);
assert.deepEqual(hours("windows", "Sat-Mon/5-6"), [5, 125, 149]);
assert.deepEqual(hours("windows", "Mon/22-0"), [22, 23]);
assert.deepEqual(hours("windows", "Mon/8-8:30;Mon/8:30-9"), [8]);
assert.deepEqual(hours("windows", "ALWAYS"), range(0, 168));
assert.deepEqual(hours("windows", "never"), []);
for (const wrong of ["", "Mon", "Mon/8", "Mon/8-8", "Mon/24-3", "Mon/8-25", "Mon/8-9:5", "Mon/8:60-9", "Moon/8-9", "8/1-2", "always;Mon/8-9", "Mon/8-9;", "Mon/-9"]) {
  assert.equal(read("windows", wrong), null, wrong);
}

// What lies within hours is seen.
for (const [text, isExact] of [["Mon/19:30-7", false], ["Mon/8-17:59", false], ["Mon/8:00-18", true], ["Mon/8-8:30;Mon/8:30-9", true]]) {
  assert.equal(read("windows", text).isExact, isExact, text);
}

// What is written.
for (const text of ["always", "never", "Mon-Fri/19-7", "Mon/8-10", "Mon-Sun/3-4", "Mon,Tue/0-6,20-24", "Mon,Wed,Fri/8-18", "Sun/23-1", "Mon-Fri/22-20", "Mon-Fri/18-24;Sat,Sun/0-24"]) {
  assert.equal(rewritten("windows", text), text);
}
assert.equal(rewritten("windows", "Mon-Fri/19-7;Sat,Sun/0-24"), "Mon-Thu/19-7;Fri/19-24;Sat,Sun/0-24");
assert.equal(rewritten("windows", "Mon-Sun/0-24"), "always");
assert.equal(rewritten("windows", "Mon-Sat/8-7;Mon/1-2"), "Mon/1-2,8-7;Tue-Sat/8-7");

// Values by time: the window of the fewest minutes counts, then the first.
assert.deepEqual([...read("timed", "off;2M@Mon-Fri/8-18;1M@Mon/12-13").values], ["off", "2M", "1M"]);
assert.deepEqual(hours("timed", "off;2M@Mon-Fri/8-18;1M@Mon/12-13", 2), [12]);
assert.deepEqual(hours("timed", "1M@Mon/12-13;off;2M@Mon/12-13", 1), [12]);
assert.equal(rewritten("timed", "5h;1h@Mon-Fri/8-18"), "5h;1h@Mon-Fri/8-18");
assert.equal(rewritten("timed", "5h;1h@Mon-Fri/8-18;1h@Sat/0-24"), "5h;1h@Mon-Fri/8-18;1h@Sat/0-24");
assert.equal(rewritten("timed", "off;2M@Mon/8-18;1M@Mon/12-13"), "off;2M@Mon/8-12,13-18;1M@Mon/12-13");
for (const wrong of ["", "1h@Mon/8-9", "1h;2h", "1h;@Mon/8-9", "1h;2h@", "1h;2h@Mon"]) {
  assert.equal(read("timed", wrong), null, wrong);
}
assert.equal(read("timed", "5h").values.length, 1);

// Whatever is painted is read as it was painted.
let seed = 7;
const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
for (let round = 0; round < 400; round += 1) {
  const kind = round % 2 ? "timed" : "windows";
  const values = kind === "timed" ? ["off", "1M", "2M", "500K"] : ["closed", "open"];
  let cells = Array(168).fill(0);
  for (let strokes = Math.floor(random() * 6); strokes >= 0; strokes -= 1) {
    const [from, length, value] = [Math.floor(random() * 168), Math.floor(random() * 80), Math.floor(random() * values.length)];
    for (let at = from; at < from + length; at += 1) cells[at % 168] = value;
  }
  const text = write(kind, values, cells);
  const found = read(kind, text);
  assert.ok(found?.isExact, `${text} (round ${round})`);
  const painted = cells.map((cell) => values[cell]);
  assert.deepEqual([...found.cells].map((cell) => found.values[cell]), painted, `${text} (round ${round})`);
}
