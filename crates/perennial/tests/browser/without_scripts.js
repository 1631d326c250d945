// Pages read and work without scripts.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");

const { asker, askAll } = require("./addresses.js");
const { nothingWrong } = require("./watch.js");

const WITHOUT = { javaScriptEnabled: false };

async function everyPage(scene) {
  const asked = await asker(await scene.administrator(), scene.origin);
  const page = await scene.administrator(WITHOUT);
  const pages = (await askAll(asked, scene.told.pages)).filter(({ isPage }) => isPage);
  for (const { address } of pages) {
    const answer = await page.goto(address);
    assert.equal(answer.status(), 200, address);
    const heading = page.locator("h1");
    assert.notEqual((await heading.innerText()).trim(), "", address);
  }
  nothingWrong(page);
}

/** From the overview to a file, and a form on the way. */
async function toFile(scene) {
  const { client, backup, file } = scene.told;
  const page = await scene.administrator(WITHOUT);
  await page.goto("/");
  await page.getByRole("link", { name: "Clients", exact: true }).click();
  await page.getByRole("link", { name: client, exact: true }).click();
  await page.getByRole("button", { name: "Pause for a day" }).click();
  await page.getByRole("button", { name: "Go on" }).click();
  await page.getByRole("button", { name: "Pause for a day" }).waitFor();
  await page.goto(`/clients/${client}/backups/${backup}`);
  await page.getByRole("link", { name: "Browse the files" }).click();
  await page.getByRole("link", { name: "data/" }).click();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: `Download ${file.name}`, exact: true }).click()]);
  assert.deepEqual(fs.readFileSync(await download.path()), fs.readFileSync(file.path));
  nothingWrong(page);
}

const checks = [
  { name: "every page without scripts", check: everyPage },
  { name: "from the overview to a file without scripts", check: toFile },
];

module.exports = { checks };
