// Time windows as a week that one paints: seven days of 24 hours beside the text field, which stays what counts.
//
// The text is read minute by minute, so that what lies within hours is seen; what is painted is written in whole hours.
(() => {
  "use strict";
  const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
  const DAY_MIN = 1440;
  const WEEK_MIN = 7 * DAY_MIN;
  const HOURS = 7 * 24;

  // ---- reading ----

  function dayOf(text) {
    const name = text.trim().toLowerCase();
    if (/^[1-7]$/.test(name)) return Number(name) - 1;
    return DAYS.findIndex((day) => day.toLowerCase() === name);
  }

  // Minutes since midnight, or -1.
  function timeOf(text) {
    const match = /^(\d{1,2})(?::(\d{2}))?$/.exec(text.trim());
    if (!match) return -1;
    const minutes = Number(match[1]) * 60 + Number(match[2] ?? 0);
    return Number(match[2] ?? 0) < 60 && minutes <= DAY_MIN ? minutes : -1;
  }

  // A text cut in two at the first of a sign; nothing where it has none.
  function halves(text, sign) {
    const at = text.indexOf(sign);
    return at < 0 ? null : [text.slice(0, at), text.slice(at + sign.length)];
  }

  function daysOf(text) {
    const days = new Set();
    for (const range of text.split(",")) {
      const [first, last] = (halves(range, "-") ?? [range, range]).map(dayOf);
      if (first < 0 || last < 0) return null;
      for (let day = first; ; day = (day + 1) % 7) {
        days.add(day);
        if (day === last) break;
      }
    }
    return days;
  }

  function hoursOf(text) {
    const all = [];
    for (const part of text.split(",")) {
      const ends = halves(part, "-");
      if (!ends) return null;
      const [from, to] = ends.map(timeOf);
      if (from < 0 || from >= DAY_MIN || to < 0 || from === to) return null;
      const end = to === 0 ? DAY_MIN : to;
      all.push([from, end > from ? end : end + DAY_MIN]);
    }
    return all;
  }

  // The minutes of the week in which a window is open, as a list of 0 and 1; nothing where it is none.
  function windowOf(text) {
    const word = text.trim().toLowerCase();
    const minutes = new Uint8Array(WEEK_MIN);
    if (word === "always") return minutes.fill(1);
    if (word === "never") return minutes;
    const parts = halves(text, "/");
    const days = parts && daysOf(parts[0]);
    const hours = parts && hoursOf(parts[1]);
    if (!days || !hours) return null;
    for (const day of days) {
      for (const [from, to] of hours) {
        for (let minute = from; minute < to; minute += 1) minutes[(day * DAY_MIN + minute) % WEEK_MIN] = 1;
      }
    }
    return minutes;
  }

  function isWord(text) {
    return /^\s*(always|never)\s*$/i.test(text);
  }

  function readWindows(text) {
    const parts = isWord(text) ? [text] : text.split(";");
    const minutes = new Uint8Array(WEEK_MIN);
    for (const part of parts) {
      // The words stand alone.
      const open = parts.length > 1 && isWord(part) ? null : windowOf(part);
      if (!open) return null;
      open.forEach((is, at) => { minutes[at] |= is; });
    }
    return { values: ["closed", "open"], minutes };
  }

  // Of several windows that are open the one of the fewest minutes counts, then the first.
  function readTimed(text) {
    const values = [null];
    const exceptions = [];
    for (const part of text.split(";")) {
      const at = halves(part, "@");
      if (!at) {
        if (values[0] !== null || !part.trim()) return null;
        values[0] = part.trim();
        continue;
      }
      const value = at[0].trim();
      const open = windowOf(at[1]);
      if (!open || !value) return null;
      exceptions.push({ value, open, count: open.reduce((sum, is) => sum + is, 0) });
    }
    if (values[0] === null) return null;
    const minutes = new Uint8Array(WEEK_MIN);
    const isTaken = new Uint8Array(WEEK_MIN);
    for (const { value } of exceptions) if (!values.includes(value)) values.push(value);
    for (const { value, open } of [...exceptions].sort((one, other) => one.count - other.count)) {
      const number = values.indexOf(value);
      open.forEach((is, at) => {
        if (!is || isTaken[at]) return;
        isTaken[at] = 1;
        minutes[at] = number;
      });
    }
    return { values, minutes };
  }

  // What a text says of each hour, by the numbers of its values, the usual one being 0; `isExact` if it changes at full hours only.
  function read(kind, text) {
    const found = kind === "timed" ? readTimed(text) : readWindows(text);
    if (!found) return null;
    const cells = Array.from({ length: HOURS }, (_, hour) => found.minutes[hour * 60]);
    const isExact = found.minutes.every((value, minute) => value === cells[Math.floor(minute / 60)]);
    return { values: found.values, cells, isExact };
  }

  // ---- writing ----

  // The hours of each day that lead to these hours of the week, each within its day.
  function cut(isOpen) {
    return DAYS.map((_, day) => {
      const hours = [];
      for (let hour = 0; hour < 24; hour += 1) {
        if (!isOpen[day * 24 + hour]) continue;
        const last = hours[hours.length - 1];
        if (last && last[1] === hour) last[1] = hour + 1;
        else hours.push([hour, hour + 1]);
      }
      return hours;
    });
  }

  // The same; what goes past midnight belongs to the day on which it begins.
  function joined(isOpen) {
    const days = DAYS.map(() => []);
    const begins = isOpen.findIndex((is, hour) => is && !isOpen[(hour + HOURS - 1) % HOURS]);
    if (begins < 0) return isOpen[0] ? DAYS.map(() => [[0, 24]]) : days;
    for (let passed = 0; passed < HOURS; ) {
      const start = (begins + passed) % HOURS;
      let length = 0;
      while (isOpen[(start + length) % HOURS]) length += 1;
      for (let at = start, left = length; left > 0; ) {
        const day = Math.floor(at / 24) % 7;
        const hour = at % 24;
        const isOverMidnight = left < 24 && hour + left > 24;
        const taken = isOverMidnight ? left : Math.min(left, 24 - hour);
        days[day].push([hour, isOverMidnight ? hour + left - 24 : hour + taken]);
        at = (at + taken) % HOURS;
        left -= taken;
      }
      passed += Math.max(length, 1);
      while (passed < HOURS && !isOpen[(begins + passed) % HOURS]) passed += 1;
    }
    return days.map((hours) => hours.sort((one, other) => one[0] - other[0]));
  }

  // `Mon-Wed,Fri`.
  function dayList(days) {
    const parts = [];
    for (let at = 0; at < days.length; ) {
      let end = at;
      while (days[end + 1] === days[end] + 1) end += 1;
      if (end - at >= 2) parts.push(`${DAYS[days[at]]}-${DAYS[days[end]]}`);
      else for (let day = at; day <= end; day += 1) parts.push(DAYS[days[day]]);
      at = end + 1;
    }
    return parts.join(",");
  }

  // `Mon-Fri/19-7` and the like, in the way that is shorter.
  function terms(isOpen) {
    const ways = [joined(isOpen), cut(isOpen)].map(written);
    return ways.sort((one, other) => one.join(";").length - other.join(";").length)[0];
  }

  // One window for each set of days that have the same hours.
  function written(ofDays) {
    const ofHours = new Map();
    ofDays.forEach((hours, day) => {
      if (!hours.length) return;
      const text = hours.map(([from, to]) => `${from}-${to}`).join(",");
      ofHours.set(text, [...(ofHours.get(text) ?? []), day]);
    });
    return [...ofHours].map(([hours, days]) => `${dayList(days)}/${hours}`);
  }

  function write(kind, values, cells) {
    if (kind === "timed") {
      const exceptions = values.slice(1).flatMap((value, at) => {
        return terms(cells.map((cell) => cell === at + 1)).map((term) => `${value}@${term}`);
      });
      return [values[0], ...exceptions].join(";");
    }
    if (cells.every((cell) => cell)) return "always";
    return terms(cells.map((cell) => cell === 1)).join(";") || "never";
  }

  if (typeof document === "undefined") {
    globalThis.week = { read, write };
    return;
  }

  // ---- painting ----

  const texts = document.getElementById("week-texts")?.dataset;
  const isNarrow = matchMedia("(max-width: 50rem)");

  function make(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  class Week {
    constructor(input) {
      this.input = input;
      this.kind = input.dataset.week;
      this.brush = 1;
      this.note = make("p", { class: "hint", role: "status" });
      this.palette = make("fieldset", { class: "palette" });
      this.frame = make("div", { class: "week-frame" });
      this.box = make("div", { class: "week" }, this.palette, this.frame, make("p", { class: "hint" }, texts.help), this.note);
      input.closest("form").after(this.box);
      input.addEventListener("input", () => this.take());
      isNarrow.addEventListener("change", () => this.build());
      this.build();
    }

    // Days are rows, or columns where there is no room for 24 hours side by side.
    build() {
      const short = texts.short.split(",");
      const isUpright = isNarrow.matches;
      const corner = make("td", {});
      const hours = Array.from({ length: 24 }, (_, hour) => hour);
      const days = DAYS.map((_, day) => day);
      const [rows, columns] = isUpright ? [hours, days] : [days, hours];
      const head = (scope, at, isDay) => make("th", { scope }, isDay ? short[at] : String(at));
      this.cells = [];
      const body = rows.map((row) => {
        const cells = columns.map((column) => {
          const at = isUpright ? column * 24 + row : row * 24 + column;
          const cell = make("td", { role: "gridcell", tabindex: "-1", "data-at": at });
          this.cells[at] = cell;
          return cell;
        });
        return make("tr", { role: "row" }, head("row", row, !isUpright), ...cells);
      });
      const top = make("tr", { role: "row" }, corner, ...columns.map((column) => head("col", column, isUpright)));
      const about = `${texts.label} ${this.input.name === "value" ? this.input.form.elements.setting.value : ""}`;
      const table = make("table", { role: "grid", "aria-multiselectable": "true", "aria-label": about.trim() },
        make("thead", { role: "rowgroup" }, top), make("tbody", { role: "rowgroup" }, ...body));
      table.addEventListener("focusin", (event) => this.go(event.target.closest("td[data-at]")));
      table.addEventListener("keydown", (event) => this.press(event));
      table.addEventListener("pointerdown", (event) => this.begin(event));
      table.addEventListener("pointermove", (event) => this.drag(event));
      table.addEventListener("pointerup", () => this.end());
      table.addEventListener("pointercancel", () => this.take());
      this.frame.replaceChildren(table);
      this.anchor = this.cursor = 0;
      this.isMarked = false;
      this.take();
    }

    // Shows what the text says, or what holds where there is none.
    take() {
      this.painted = null;
      const text = this.input.value.trim() || this.input.dataset.holds;
      const found = read(this.kind, text);
      const isShown = found && (this.kind !== "timed" || found.values.length > 1);
      this.frame.hidden = this.palette.hidden = !isShown;
      this.box.hidden = !found ? false : !isShown;
      this.note.textContent = found ? (found.isExact ? "" : texts.inexact) : texts.unreadable;
      if (!isShown) return;
      this.values = found.values;
      this.base = found.cells;
      this.colours();
      this.show();
    }

    // The values to paint with, where there are more than open and closed.
    colours() {
      this.palette.hidden = this.kind !== "timed";
      if (this.palette.hidden) return;
      this.brush = Math.min(this.brush, this.values.length - 1);
      const choices = this.values.map((value, at) => {
        const radio = make("input", { type: "radio", name: `brush-${this.input.id}`, value: at });
        radio.checked = at === this.brush;
        radio.addEventListener("change", () => { this.brush = at; });
        return make("label", { class: `value-${Math.min(at, 5)}` }, radio, make("span", { class: "patch" }), value);
      });
      this.palette.replaceChildren(make("legend", {}, texts.palette), ...choices);
    }

    valueName(value) {
      if (this.kind === "timed") return this.values[value];
      return value ? texts.open : texts.closed;
    }

    show() {
      const days = texts.days.split(",");
      const shown = this.painted ?? this.base;
      const marked = this.isMarked ? new Set(this.between(this.anchor, this.cursor)) : new Set();
      this.cells.forEach((cell, at) => {
        const hour = at % 24;
        const name = this.valueName(shown[at]);
        cell.className = `value-${Math.min(shown[at], 5)}`;
        cell.textContent = this.kind === "timed" && shown[at] ? name : "";
        cell.setAttribute("aria-label", `${days[Math.floor(at / 24)]} ${hour}:00–${hour + 1}:00, ${name}`);
        cell.setAttribute("aria-selected", String(marked.has(at)));
        cell.tabIndex = at === this.cursor ? 0 : -1;
      });
    }

    // All hours of the rectangle between two.
    between(one, other) {
      const [firstDay, lastDay] = [Math.floor(one / 24), Math.floor(other / 24)].sort((a, b) => a - b);
      const [firstHour, lastHour] = [one % 24, other % 24].sort((a, b) => a - b);
      const found = [];
      for (let day = firstDay; day <= lastDay; day += 1) {
        for (let hour = firstHour; hour <= lastHour; hour += 1) found.push(day * 24 + hour);
      }
      return found;
    }

    // Where it begins has what is painted already: then that goes.
    paint() {
      const brush = this.kind === "timed" ? this.brush : 1;
      const value = this.base[this.anchor] === brush ? 0 : brush;
      this.painted = [...this.base];
      for (const at of this.between(this.anchor, this.cursor)) this.painted[at] = value;
      this.show();
    }

    end() {
      if (!this.isDragged) return;
      this.isDragged = false;
      this.save();
    }

    save() {
      const { values, painted } = this;
      this.input.value = write(this.kind, values, painted);
      this.input.dispatchEvent(new Event("input", { bubbles: true }));
      if (this.kind === "timed") this.keep(values, painted);
    }

    // Values that are nowhere any more stay to be painted with.
    keep(values, cells) {
      this.values = values;
      this.base = cells;
      this.box.hidden = this.frame.hidden = false;
      this.colours();
      this.show();
    }

    begin(event) {
      const cell = event.target.closest("td[data-at]");
      if (!cell || event.button !== 0) return;
      event.preventDefault();
      // Touches are bound to where they begin; the others are wanted as well.
      cell.releasePointerCapture?.(event.pointerId);
      this.isDragged = true;
      this.isMarked = false;
      this.anchor = this.cursor = Number(cell.dataset.at);
      this.paint();
      cell.focus({ preventScroll: true });
    }

    drag(event) {
      if (!this.isDragged) return;
      // The button was let go elsewhere.
      if (event.buttons === 0) return this.end();
      const cell = document.elementFromPoint(event.clientX, event.clientY)?.closest("td[data-at]");
      if (!cell || this.cells[Number(cell.dataset.at)] !== cell) return;
      this.cursor = Number(cell.dataset.at);
      this.paint();
    }

    // However the focus has come to an hour, keys go on from there.
    go(cell) {
      if (!cell || this.isDragged || Number(cell.dataset.at) === this.cursor) return;
      this.anchor = this.cursor = Number(cell.dataset.at);
      this.isMarked = false;
      this.show();
    }

    press(event) {
      const isUpright = isNarrow.matches;
      const [aside, down] = isUpright ? [24, 1] : [1, 24];
      const steps = { ArrowRight: aside, ArrowLeft: -aside, ArrowDown: down, ArrowUp: -down };
      if (event.key in steps) this.move(steps[event.key], event.shiftKey);
      else if (event.key === "Home" || event.key === "End") this.move((event.key === "End" ? 23 : 0) - (this.cursor % 24), event.shiftKey);
      else if (event.key === " " || event.key === "Enter") {
        this.paint();
        this.save();
      } else return;
      event.preventDefault();
      this.cells[this.cursor].focus();
    }

    move(step, isExtended) {
      const day = Math.floor(this.cursor / 24) + (Math.abs(step) === 24 ? Math.sign(step) : 0);
      const hour = (this.cursor % 24) + (Math.abs(step) === 24 ? 0 : step);
      if (day >= 0 && day < 7 && hour >= 0 && hour < 24) this.cursor = day * 24 + hour;
      if (!isExtended) this.anchor = this.cursor;
      this.isMarked = isExtended;
      this.show();
    }
  }

  if (texts) document.querySelectorAll("input[data-week]").forEach((input) => new Week(input));
})();
