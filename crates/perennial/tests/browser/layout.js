// What every page is to be like, as far as it can be measured.
"use strict";

/** Most that a page without its data may bring with all that it loads, as it is sent. */
const MOST_BYTES = 150 * 1024;

/** What is wrong with a page as it stands there. */
async function layoutProblems(page, { language }) {
  const problems = [];
  const seen = await page.evaluate(measure);
  if (seen.headings !== 1) problems.push(`${seen.headings} headings of the first level`);
  if (!seen.title.endsWith(" · Perennial")) problems.push(`the title is "${seen.title}"`);
  if (seen.language !== language) problems.push(`the language is "${seen.language}"`);
  if (seen.bytes > MOST_BYTES) problems.push(`${seen.bytes} bytes are loaded`);
  if (seen.twice.length > 0) problems.push(`more than one element is called ${seen.twice.join(", ")}`);
  return [...problems, ...(await overflow(page))];
}

/** Runs in the page. */
function measure() {
  const loaded = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  // Data is what is in tables, and what is unfolded by who wants it.
  const data = [...document.querySelectorAll("table, details")].filter((element) => !element.parentElement.closest("table, details"));
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  return {
    headings: document.querySelectorAll("h1").length,
    title: document.title,
    language: document.documentElement.lang,
    // What lies in the cache counts as it was sent.
    bytes:
      loaded.reduce((sum, entry) => sum + entry.encodedBodySize, 0) -
      data.reduce((sum, element) => sum + element.outerHTML.length, 0),
    twice: ids.filter((id, at) => ids.indexOf(id) !== at),
  };
}

/** Whether the page is wider than what shows it, and which elements stick out. */
async function overflow(page) {
  const { width } = page.viewportSize();
  const out = await page.evaluate((width) => {
    if (document.documentElement.scrollWidth <= width) return [];
    // What scrolls by itself may be as wide as it likes within.
    const isWithin = (element) => {
      const around = element.parentElement;
      return around !== null && around !== document.body && (getComputedStyle(around).overflowX !== "visible" || isWithin(around));
    };
    const wide = [...document.body.querySelectorAll("*")].filter((element) => element.getBoundingClientRect().right > width + 0.5);
    const culprits = wide.filter((element) => !isWithin(element));
    return [`${document.documentElement.scrollWidth}`, ...culprits.slice(-3).map((element) => element.outerHTML.slice(0, 120))];
  }, width);
  return out.length === 0 ? [] : [`wider than ${width} pixels: ${out.join(" | ")}`];
}

module.exports = { layoutProblems, overflow };
