// Who has no mouse gets everywhere, and sees where he is.
"use strict";

const assert = require("node:assert/strict");

const { PHONE } = require("../scene.js");
const { nothingWrong } = require("../watch.js");

/** What has the focus, and whether that can be seen. Runs in the page. */
function focused() {
  const element = document.activeElement;
  const box = element.getBoundingClientRect();
  const style = getComputedStyle(element);
  const there = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  return {
    text: (element.getAttribute("aria-label") ?? element.innerText ?? "").trim(),
    name: element.id || element.outerHTML.slice(0, 120),
    isBody: element === document.body,
    isOnScreen: box.width > 1 && box.height > 1 && box.right > 0 && box.bottom > 0 && box.left < innerWidth && box.top < innerHeight,
    isCovered: there !== null && !element.contains(there) && !there.contains(element),
    isMarked: style.outlineStyle !== "none" && Number.parseFloat(style.outlineWidth) >= 2,
  };
}

async function skip(scene) {
  const page = await scene.administrator();
  await page.goto("/clients");
  await page.keyboard.press("Tab");
  const first = await page.evaluate(focused);
  assert.equal(first.text, "Skip to content");
  assert.ok(first.isOnScreen && first.isMarked, JSON.stringify(first));
  await page.keyboard.press("Enter");
  await page.waitForURL("/clients#main");
  await page.keyboard.press("Tab");
  const next = await page.evaluate(() => document.activeElement.closest("main") !== null);
  assert.ok(next, "the menu was not skipped");
  nothingWrong(page);
}

/** Goes through a whole page: everything that gets the focus is on the screen and marked. */
async function through(scene) {
  const { client } = scene.told;
  const page = await scene.administrator();
  for (const address of ["/", `/clients/${client}`, "/account", `/clients/${client}/backups/latest/files?path=data`]) {
    await page.goto(address);
    let steps = 0;
    for (; steps < 200; steps += 1) {
      await page.keyboard.press("Tab");
      const here = await page.evaluate(focused);
      if (here.isBody) break;
      assert.ok(here.isOnScreen && here.isMarked && !here.isCovered, `${address}: ${JSON.stringify(here)}`);
    }
    assert.ok(steps > 8, `${address}: ${steps} steps`);
  }
  nothingWrong(page);
}

/** Goes back from the end of long pages on a phone: the menu, which stays at the top, hides nothing that gets the focus. */
async function backwards(scene) {
  const page = await scene.administrator({ viewport: PHONE });
  for (const address of ["/settings", "/users/dora/tokens/new"]) {
    await page.goto(address);
    for (let steps = 0; steps < 60; steps += 1) {
      await page.keyboard.press("Shift+Tab");
      const here = await page.evaluate(focused);
      assert.ok(here.isBody || (here.isOnScreen && here.isMarked && !here.isCovered), `${address}: ${JSON.stringify(here)}`);
    }
  }
  nothingWrong(page);
}

async function forms(scene) {
  const page = await scene.visitor();
  await page.goto("/login");
  await page.keyboard.press("Tab");
  await page.keyboard.type(scene.told.user);
  await page.keyboard.press("Tab");
  await page.keyboard.type(scene.told.password);
  await page.keyboard.press("Enter");
  await page.waitForURL("/");
  await page.goto("/clients");
  await page.getByRole("searchbox").focus();
  await page.keyboard.type(scene.told.other);
  await page.keyboard.press("Enter");
  await page.waitForURL(`/clients?q=${scene.told.other}`);
  assert.equal(await page.getByRole("link", { name: scene.told.client, exact: true }).count(), 0);
  nothingWrong(page);
}

const checks = [
  { name: "the menu can be skipped", check: skip },
  { name: "the focus is always seen", check: through },
  { name: "the focus is never covered", check: backwards },
  { name: "forms are sent by Enter", check: forms },
];

module.exports = { checks };
