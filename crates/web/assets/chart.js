// Charts: draws what the table of a figure says, in the colours of the page. The table stays, folded away.
(() => {
  "use strict";
  const language = document.documentElement.lang;
  // Dates as the pages have them: the day first.
  const dates = language === "en" ? "en-GB" : language;
  const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5], [14, 4], [1, 5]];
  const DAY_S = 86400;

  // As the pages tell sizes.
  function bytes(count, isRound) {
    if (count === null || count === undefined) return "–";
    const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let unit = 0;
    while (count >= (unit ? 999.5 : 1024) && unit + 1 < units.length) {
      count /= 1024;
      unit += 1;
    }
    let digits = count.toFixed(unit === 0 || count >= 10 ? 0 : 1);
    if (isRound) digits = digits.replace(/\.0$/, "");
    return `${language === "de" ? digits.replace(".", ",") : digits} ${units[unit]}`;
  }

  function read(table) {
    const heads = [...table.tHead.rows[0].cells].slice(1).map((head) => head.textContent);
    const rows = [...table.tBodies[0].rows].reverse();
    const times = rows.map((row) => Date.parse(row.querySelector("time").dateTime) / 1000);
    const lines = heads.map((_, at) =>
      rows.map((row) => {
        const told = row.cells[at + 1].dataset.bytes;
        return told === undefined ? null : Number(told);
      }),
    );
    return { heads, times, lines };
  }

  // A piece of the line, as it is drawn; its computed colour is what the canvas takes.
  function swatch(at, shape) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", `swatch line-${at + 1}`);
    svg.setAttribute("viewBox", "0 0 28 10");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", "M0 5h28");
    if (shape === "bars") path.setAttribute("class", "thick");
    else path.setAttribute("stroke-dasharray", DASHES[at % DASHES.length].join(" "));
    svg.append(path);
    return svg;
  }

  function legend(heads, shape, toggle) {
    const list = document.createElement("ul");
    list.className = "legend";
    const parts = heads.map((head, at) => {
      const button = document.createElement("button");
      const value = document.createElement("span");
      const sign = swatch(at, shape);
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      value.className = "count";
      button.append(sign, ` ${head} `, value);
      button.addEventListener("click", () => {
        const isShown = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(isShown));
        toggle(at, isShown);
      });
      const item = document.createElement("li");
      item.append(button);
      list.append(item);
      return { sign, value };
    });
    return { list, parts };
  }

  function day(seconds) {
    return new Date(seconds * 1000).toLocaleDateString(dates, { day: "numeric", month: "short", year: "numeric" });
  }

  function timeTicks(_, splits, __, ___, step) {
    const wanted =
      step >= 28 * DAY_S ? { month: "short", year: "numeric" }
      : step >= DAY_S ? { day: "numeric", month: "short" }
      : { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
    const format = new Intl.DateTimeFormat(dates, wanted);
    return splits.map((split) => format.format(new Date(split * 1000)));
  }

  function seriesOf(shape, heads, parts, points) {
    return heads.map((head, at) => {
      const colour = () => getComputedStyle(parts[at].sign).color;
      const common = { label: head, stroke: colour, spanGaps: true };
      if (shape === "bars") {
        const align = heads.length === 1 ? 0 : at === 0 ? -1 : 1;
        const paths = uPlot.paths.bars({ size: [heads.length === 1 ? 0.6 : 0.35, 40], align });
        return { ...common, fill: colour, width: 0, paths, points: { show: false } };
      }
      return { ...common, width: 2, dash: DASHES[at % DASHES.length], points: { show: points < 40, size: 5, fill: colour } };
    });
  }

  function axes(plot) {
    const style = (name) => () => getComputedStyle(plot).getPropertyValue(name);
    const common = {
      stroke: style("color"),
      font: "12px system-ui, sans-serif",
      grid: { stroke: style("border-top-color"), width: 1 },
      ticks: { stroke: style("border-top-color"), width: 1 },
    };
    const powers = Array.from({ length: 62 }, (_, power) => 2 ** power);
    return [
      { ...common, values: timeTicks, space: 68 },
      { ...common, values: (_, splits) => splits.map((split) => bytes(split, true)), size: 78, incrs: powers },
    ];
  }

  // What somebody is told who does not see it.
  function described(title, { heads, times, lines }) {
    const ends = lines.map((line, at) => {
      const known = line.filter((value) => value !== null);
      return `${heads[at]}: ${bytes(known[0])} → ${bytes(known[known.length - 1])}`;
    });
    return `${title}, ${day(times[0])} – ${day(times[times.length - 1])}. ${ends.join("; ")}`;
  }

  function draw(figure) {
    const table = figure.querySelector("table");
    const data = read(table);
    if (data.times.length < 2) return;
    const shape = figure.dataset.shape;
    const plot = document.createElement("div");
    plot.className = "plot";
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", described(figure.querySelector("h3").textContent, data));
    const when = document.createElement("span");
    when.className = "hint when";
    let chart;
    const { list, parts } = legend(data.heads, shape, (at, isShown) => chart.setSeries(at + 1, { show: isShown }));
    figure.querySelector("figcaption").after(plot, when, list);
    // A line that has no figure then has the one from before.
    const tell = (at) => {
      when.textContent = day(data.times[at]);
      data.lines.forEach((line, number) => {
        const known = line.slice(0, at + 1).filter((value) => value !== null);
        parts[number].value.textContent = bytes(known[known.length - 1]);
      });
    };
    const last = data.times.length - 1;
    tell(last);
    const size = () => ({ width: plot.clientWidth, height: plot.clientWidth < 500 ? 190 : 240 });
    chart = new uPlot(
      {
        ...size(),
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 8 } },
        scales: {
          x: { range: (_, from, to) => (shape === "bars" ? [from - (to - from) / data.times.length, to + (to - from) / data.times.length] : [from, to]) },
          y: { range: (_, __, most) => [0, (most || 1) * 1.06] },
        },
        axes: axes(plot),
        series: [{}, ...seriesOf(shape, data.heads, parts, data.times.length)],
        hooks: { setCursor: [(drawn) => tell(drawn.cursor.idx ?? last)] },
      },
      [data.times, ...data.lines],
      plot,
    );
    figure.querySelector("details").open = false;
    new ResizeObserver(() => {
      if (plot.clientWidth && plot.clientWidth !== chart.width) chart.setSize(size());
    }).observe(plot);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.redraw(false));
  }

  document.querySelectorAll("figure.chart").forEach(draw);
})();
