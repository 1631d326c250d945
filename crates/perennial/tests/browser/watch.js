// What must not happen on any page, gathered while it is used.
"use strict";

/** Watches a page from now on; `problems()` tells what was wrong since it was last asked. */
function watch(page, origin) {
  const found = [];
  page.on("console", (message) => {
    // What the policy of the page refuses is told there too.
    if (message.type() === "error" && !isEndOfStream(message)) found.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => found.push(`script: ${error.message}`));
  page.on("dialog", (dialog) => {
    found.push(`dialog: ${dialog.message()}`);
    return dialog.dismiss();
  });
  page.on("request", (request) => {
    const address = request.url();
    if (!address.startsWith(`${origin}/`) && !address.startsWith("data:")) found.push(`elsewhere: ${address}`);
  });
  page.on("requestfailed", (request) => {
    if (!isLeftBehind(request)) found.push(`failed: ${request.url()} ${request.failure()?.errorText}`);
  });
  page.on("response", (response) => {
    // Of the page itself the status is for the check to judge.
    const isPage = response.request().isNavigationRequest();
    if (response.status() >= 400 && !isPage) found.push(`status ${response.status()}: ${response.url()}`);
  });
  return { problems: () => found.splice(0) };
}

/** Whether it is only what htmx says of a stream of events that ends because its page is left. */
function isEndOfStream(message) {
  return message.text() === "[object Event]" && message.location().url.endsWith("/htmx.js");
}

/** Whether a request ended because its page was left, or because it became a download. */
function isLeftBehind(request) {
  return request.failure()?.errorText === "net::ERR_ABORTED";
}

/** Fails if anything was wrong on a page. */
function nothingWrong(page) {
  const problems = page.watch.problems();
  if (problems.length > 0) throw new Error(`on ${page.url()}:\n  ${problems.join("\n  ")}`);
}

module.exports = { watch, nothingWrong };
