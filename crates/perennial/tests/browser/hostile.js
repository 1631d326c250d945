// Names and contents that would like to run: they are shown as what they are, and nothing of them runs.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");

const { logIn } = require("./scene.js");
const { nothingWrong } = require("./watch.js");

/** Fails if a script of a file's has run; what it would have asked for, the watch tells. */
async function nothingRan(page) {
  assert.equal(await page.evaluate(() => globalThis.ran), undefined);
  nothingWrong(page);
}

/** Looks into each folder, and finds the names as text. */
async function browse(scene) {
  const page = await scene.administrator();
  for (const folder of scene.told.folders) {
    await page.goto(folder.address);
    for (const name of folder.names) {
      assert.equal(await page.getByRole("row").filter({ hasText: name }).count(), 1, name);
    }
    await nothingRan(page);
    await page.locator("#q").fill("<img");
    await page.locator("#q").press("Enter");
    await page.waitForURL(/[?&]q=/);
    await nothingRan(page);
  }
}

/** A file that is opened is kept, not shown, whatever its kind. */
async function download(scene) {
  const page = await scene.administrator();
  await page.goto(scene.told.folders[0].address);
  for (const file of scene.told.files) {
    const link = page.getByRole("row").filter({ hasText: file.name }).locator("a.fetch");
    const [kept] = await Promise.all([page.waitForEvent("download"), link.click()]);
    assert.deepEqual(fs.readFileSync(await kept.path()), fs.readFileSync(file.path), file.name);
    await nothingRan(page);
    const address = kept.url();
    const [again] = await Promise.all([page.waitForEvent("download"), page.goto(address).catch(() => {})]);
    await again.cancel();
    await nothingRan(page);
  }
}

/** Other pages that show what somebody else has said; what a browser calls itself is one such text. */
async function elsewhere(scene) {
  const page = await scene.visitor({ userAgent: scene.told.evil });
  await logIn(page, scene.told.user, scene.told.password);
  for (const address of scene.told.pages) {
    await page.goto(address);
    await nothingRan(page);
  }
}

const checks = [
  { name: "hostile names are text", check: browse },
  { name: "hostile files are downloaded and not shown", check: download },
  { name: "hostile texts on other pages are text", check: elsewhere },
];

module.exports = { checks };
