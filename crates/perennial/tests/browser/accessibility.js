// WCAG 2.0, 2.1 and 2.2, levels A and AA, as far as axe can judge.
"use strict";

const axe = require("axe-core");

const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
/** What a page must keep to. */
const ALL_RULES = {
  runOnly: { type: "tag", values: TAGS },
  // Of WCAG 2.2, but off unless asked for.
  rules: { "target-size": { enabled: true } },
};
/** What else changes with the colours. */
const COLOURS = { runOnly: { type: "rule", values: ["color-contrast", "link-in-text-block"] } };

/** What axe finds on a page as it stands there. Put in by the debugger, it needs nothing of the page's own policy. */
async function violations(page, options) {
  await page.evaluate(axe.source);
  const found = await page.evaluate(
    (options) => globalThis.axe.run(document, { resultTypes: ["violations"], preload: false, ...options }),
    options,
  );
  return found.violations.map(({ id, help, nodes }) => {
    const [{ html, failureSummary }] = nodes;
    return `${id}, ${nodes.length} times: ${help}: ${html.slice(0, 160)} (${failureSummary.replaceAll(/\s+/g, " ")})`;
  });
}

module.exports = { violations, ALL_RULES, COLOURS };
