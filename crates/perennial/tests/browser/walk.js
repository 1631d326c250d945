// Every page, as the administrator sees it: wide and narrow, light and dark, in both languages. Pages come from the list of addresses
// and from what the pages link to, so that a new one is looked at without a word here.
"use strict";

const { DESKTOP, PHONE } = require("./scene.js");
const { ALL_RULES, COLOURS, violations } = require("./accessibility.js");
const { layoutProblems, overflow } = require("./layout.js");
const { askAll, asker, pagesBeside } = require("./addresses.js");

/** The narrowest that WCAG wants pages to fit. */
const NARROWEST = 320;

/** Each page is seen in each of these; texts in German are the longer ones. */
const VARIANTS = [
  { name: "desktop-light", language: "en", rules: ALL_RULES, context: { viewport: DESKTOP, colorScheme: "light" } },
  { name: "desktop-dark", language: "en", rules: COLOURS, context: { viewport: DESKTOP, colorScheme: "dark" } },
  {
    name: "phone-light",
    language: "de",
    rules: ALL_RULES,
    isUnfolded: true,
    context: { viewport: PHONE, colorScheme: "light", locale: "de-DE", hasTouch: true },
  },
  { name: "phone-dark", language: "en", context: { viewport: PHONE, colorScheme: "dark", hasTouch: true } },
];

/** Looks at one page in one variant; tells what is wrong. */
async function look(page, address, variant, picture) {
  const answer = await page.goto(address);
  const problems = answer.status() === 200 ? [] : [`status ${answer.status()}`];
  problems.push(...(await layoutProblems(page, variant)));
  await page.screenshot({ path: picture, fullPage: true });
  if (variant.isUnfolded) await unfold(page);
  if (variant.rules) problems.push(...(await violations(page, variant.rules)));
  if (variant.isUnfolded) {
    await page.setViewportSize({ ...PHONE, width: NARROWEST });
    await drawn(page);
    problems.push(...(await overflow(page)));
    await page.setViewportSize(PHONE);
  }
  problems.push(...page.watch.problems());
  return problems.map((problem) => `${variant.name} ${address}: ${problem}`);
}

/** Waits until what scripts draw is as wide as the page has become. */
async function drawn(page) {
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

/** Opens whatever can be opened. */
async function unfold(page) {
  await page.evaluate(() => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
}

/** All pages: those of the list that are pages, and those that they link to. */
let known;
async function allPages(scene) {
  if (known) return known;
  const asked = await asker(await scene.administrator(), scene.origin);
  const listed = await askAll(asked, scene.told.pages);
  const pages = listed.filter(({ isPage }) => isPage).map(({ address }) => address);
  known = [...pages, ...(await pagesBeside(asked, scene.origin, pages))];
  return known;
}

function variantCheck(variant) {
  const check = async (scene) => {
    const page = await scene.administrator(variant.context);
    const problems = [];
    for (const address of await allPages(scene)) {
      problems.push(...(await look(page, address, variant, scene.picture(variant.name, address))));
    }
    if (problems.length > 0) throw new Error(problems.join("\n"));
  };
  return { name: `every page, ${variant.name}`, check };
}

/** Of who has not logged in. */
async function logInPage(scene) {
  const problems = [];
  for (const variant of VARIANTS) {
    scene.forgetPictures(variant.name);
    const page = await scene.visitor(variant.context);
    problems.push(...(await look(page, "/login", variant, scene.picture(variant.name, "login"))));
    problems.push(...(await notFound(page, scene, variant)));
  }
  if (problems.length > 0) throw new Error(problems.join("\n"));
}

/** What is answered where there is nothing is a page as well. */
async function notFound(page, scene, variant) {
  const answer = await page.goto("/nothing/here");
  // A browser tells every such status on its console.
  page.watch.problems();
  const problems = answer.status() === 404 ? [] : [`status ${answer.status()}`];
  problems.push(...(await layoutProblems(page, variant)), ...(await violations(page, ALL_RULES)));
  await page.screenshot({ path: scene.picture(variant.name, "not-found"), fullPage: true });
  return problems.map((problem) => `${variant.name} /nothing/here: ${problem}`);
}

const checks = [
  { name: "the log-in, and where nothing is", check: logInPage },
  { name: "links lead somewhere", check: allPages },
  ...VARIANTS.map(variantCheck),
];

module.exports = { checks, allPages };
