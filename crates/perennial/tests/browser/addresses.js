// Which addresses are pages, and what pages link to, asked without a browser.
"use strict";

const https = require("node:https");

/** So many pages beside the list are looked at. */
const MOST_BESIDE = 40;

/** Asks for an address until the head of the answer is there: some answers never end. */
function ask(address, cookie, takesBody = false) {
  return new Promise((resolve, reject) => {
    const request = https.get(address, { headers: { cookie }, rejectUnauthorized: false }, (answer) => {
      const kind = answer.headers["content-type"] ?? "";
      const isPage = kind.startsWith("text/html") && !answer.headers["content-disposition"];
      const told = { status: answer.statusCode, isPage, body: "" };
      if (!takesBody || !isPage) {
        request.destroy();
        return resolve(told);
      }
      answer.setEncoding("utf8");
      answer.on("data", (part) => (told.body += part));
      answer.on("end", () => resolve(told));
      answer.on("error", reject);
    });
    request.on("error", reject);
  });
}

/** Asks as whoever sits before a page. */
async function asker(page, origin) {
  const cookies = await page.context().cookies();
  const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join("; ");
  return (address, takesBody) => ask(origin + address, cookie, takesBody);
}

/** Asks for each; fails where one is not answered well. */
async function askAll(asked, addresses) {
  const told = [];
  for (const address of addresses) {
    const { status, isPage } = await asked(address);
    if (status !== 200) throw new Error(`${address}: status ${status}`);
    told.push({ address, isPage });
  }
  return told;
}

/** What shows the same page with other rows, or in another order. */
const SIEVES = new Set(["sort", "only", "page", "q", "section"]);

/** What two addresses have in common that show the same kind of page: the path without names and numbers, and what is asked for. */
function shape(address) {
  const { pathname, searchParams } = new URL(address, "https://x");
  const path = pathname
    .replaceAll(/\d+/g, "0")
    .replaceAll(/\/(clients|groups|users|roles|notifications)\/[^/]+/g, "/$1/*")
    .replaceAll(/\/backups\/[^/]+/g, "/backups/*");
  const asked = [...searchParams.keys()].filter((name) => !SIEVES.has(name));
  return `${path}?${asked.sort().join("&")}`;
}
/** The addresses of our own that a page links to. */
function links(body, from) {
  const found = [...body.matchAll(/<a\b[^>]*\bhref="([^"]*)"/g)].map(([, link]) => new URL(link.replaceAll("&amp;", "&"), from));
  const own = found.filter((there) => there.origin === new URL(from).origin);
  return own.map((there) => there.pathname + there.search);
}

/** Follows all links of these pages; returns one page of each kind that is not among them. */
async function pagesBeside(asked, origin, pages) {
  const shapes = new Set(pages.map(shape));
  const followed = new Set(pages);
  const beside = [];
  for (const from of pages) {
    const { body } = await asked(from, true);
    for (const address of links(body, origin + from)) {
      if (followed.has(address)) continue;
      followed.add(address);
      const { status, isPage } = await asked(address);
      if (status !== 200) throw new Error(`${from} links to ${address}: status ${status}`);
      if (isPage && !shapes.has(shape(address)) && beside.length < MOST_BESIDE) {
        shapes.add(shape(address));
        beside.push(address);
      }
    }
  }
  return beside;
}

module.exports = { asker, askAll, pagesBeside };
