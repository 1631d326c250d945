// A backup is started, watched, looked into, protected, verified and deleted.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");

const { nothingWrong } = require("../watch.js");

const row = (page) => page.locator("table", { has: page.getByRole("columnheader", { name: "Made" }) }).locator("tbody tr");

/** Keeps what a page tells of the jobs that run, each time that it changes. Runs in the page. */
function keepSeen() {
  const place = document.querySelector("[sse-connect]");
  const look = () => ({ bytes: place.querySelector("progress")?.value, text: place.innerText });
  globalThis.seen = [look()];
  new MutationObserver(() => globalThis.seen.push(look())).observe(place, { childList: true, subtree: true });
}

/** Sees a backup come, move and end on a page that is not loaded again. */
async function startAndWatch(scene) {
  const { client } = scene.told;
  const activity = await scene.administrator();
  await activity.goto("/activity");
  await activity.evaluate(keepSeen);
  const page = await scene.administrator();
  await page.goto(`/clients/${client}`);
  const before = await row(page).count();
  await page.getByLabel("What to back up").selectOption({ label: "Files, all read again" });
  await page.getByRole("button", { name: "Back up now" }).click();
  await page.waitForURL(/\/activity\/\d+$/);
  const live = activity.locator("[sse-connect]");
  await live.getByRole("link", { name: client }).waitFor();
  await live.getByText("Nothing runs at the moment.").waitFor();
  const seen = await activity.evaluate(() => globalThis.seen);
  const moves = new Set(seen.map(({ bytes }) => bytes).filter((bytes) => bytes > 0));
  assert.ok(moves.size >= 2, `it was not seen to move: ${JSON.stringify(seen)}`);
  await page.reload();
  await page.getByRole("heading", { level: 1 }).getByText("Done").waitFor();
  await page.goto(`/clients/${client}`);
  assert.equal(await row(page).count(), before + 1);
  nothingWrong(page);
  nothingWrong(activity);
}

/** Goes from the client into a folder of its newest backup, and takes a file from its page. */
async function browseAndDownload(scene) {
  const { client, file } = scene.told;
  const page = await scene.administrator();
  await page.goto(`/clients/${client}`);
  await row(page).first().getByRole("link").click();
  await page.getByRole("link", { name: "Browse the files" }).click();
  await page.getByRole("link", { name: "data/" }).click();
  await page.locator("#q").fill(file.name.slice(0, 4).toUpperCase());
  await page.locator("#q").press("Enter");
  await page.getByRole("link", { name: file.name, exact: true }).click();
  await page.getByRole("heading", { level: 1, name: file.name }).waitFor();
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator("a.main").click()]);
  assert.equal(download.suggestedFilename(), file.name);
  assert.deepEqual(fs.readFileSync(await download.path()), fs.readFileSync(file.path));
  nothingWrong(page);
}

/** Selects all that is in a folder, and all but one, and takes it as an archive. */
async function selectAndDownload(scene) {
  const { client } = scene.told;
  const page = await scene.administrator();
  await page.goto(`/clients/${client}/backups/latest/files?path=data`);
  const boxes = page.locator("tbody input[type=checkbox]");
  const checked = page.locator("tbody input[type=checkbox]:checked");
  const all = page.getByLabel("Select all");
  await all.check();
  assert.equal(await checked.count(), await boxes.count());
  await page.getByLabel("Select empty", { exact: true }).uncheck();
  assert.equal(await all.evaluate((box) => box.indeterminate && !box.checked), true);
  const button = page.getByRole("button", { name: "Download as zip" });
  const [download] = await Promise.all([page.waitForEvent("download"), button.click()]);
  assert.match(download.suggestedFilename(), new RegExp(`^${client}-.*-data\\.zip$`));
  assert.equal(fs.readFileSync(await download.path()).subarray(0, 2).toString(), "PK");
  nothingWrong(page);
}

/** Sees what has changed since the backup before. */
async function compare(scene) {
  const page = await scene.administrator();
  await page.goto(`/clients/${scene.told.client}/backups/latest`);
  await page.getByRole("button", { name: "Compare" }).click();
  await page.getByRole("heading", { level: 1, name: "What has changed" }).waitFor();
  nothingWrong(page);
}

/** Archives, holds and lets go; what is kept can't be deleted. */
async function protect(scene) {
  const { client, backup } = scene.told;
  const page = await scene.administrator();
  const press = (name) => page.getByRole("button", { name, exact: true }).click();
  const badge = (name) => page.getByRole("heading", { level: 1 }).getByText(name, { exact: true });
  await page.goto(`/clients/${client}/backups/${backup}`);
  await press("Archive for a month");
  await badge("Archived").waitFor();
  await press("No longer archive");
  await badge("Archived").waitFor({ state: "detached" });
  await page.getByLabel("Reason for holding it").fill("for the <b>auditors</b>");
  await page.getByLabel("Reason for holding it").press("Enter");
  await badge("Held").waitFor();
  await page.getByText("Held, so nobody can delete it: for the <b>auditors</b>").waitFor();
  await page.getByRole("link", { name: "Delete" }).click();
  await page.getByText("It is archived or held, so it can't be deleted.").waitFor();
  await page.getByRole("link", { name: "Keep it" }).click();
  await press("Release");
  await badge("Held").waitFor({ state: "detached" });
  nothingWrong(page);
}

async function verify(scene) {
  const { client, backup } = scene.told;
  const page = await scene.administrator();
  await page.goto(`/clients/${client}/backups/${backup}`);
  await page.getByRole("button", { name: "Verify now" }).click();
  await page.waitForURL(/\/activity\/\d+$/);
  await untilDone(page);
  await page.goto(`/clients/${client}/backups/${backup}`);
  await page.getByRole("heading", { level: 1 }).getByText("Verified", { exact: true }).waitFor();
  nothingWrong(page);
}

/** Loads the page of a job until it has ended. */
async function untilDone(page) {
  const state = page.getByRole("heading", { level: 1 }).locator(".badge");
  while (["Waiting", "Running"].includes(await state.innerText())) await page.reload();
  assert.equal(await state.innerText(), "Done");
}

async function remove(scene) {
  const { client, backup } = scene.told;
  const page = await scene.administrator();
  await page.goto(`/clients/${client}/backups/${backup}/delete`);
  await page.getByRole("button", { name: "Into the trash" }).click();
  await page.waitForURL(`/clients/${client}`);
  assert.equal(await row(page).filter({ has: page.getByText(backup, { exact: true }) }).count(), 0);
  const gone = await page.goto(`/clients/${client}/backups/${backup}`);
  assert.equal(gone.status(), 404);
}

/** A client rests for a day, and goes on. */
async function pause(scene) {
  const page = await scene.administrator();
  await page.goto(`/clients/${scene.told.client}`);
  await page.getByRole("button", { name: "Pause for a day" }).click();
  await page.getByRole("heading", { level: 1 }).getByText("Paused").waitFor();
  await page.getByRole("button", { name: "Go on" }).click();
  await page.getByRole("heading", { level: 1 }).getByText("Paused").waitFor({ state: "detached" });
  nothingWrong(page);
}

const checks = [
  { name: "a backup is seen to move and to end", check: startAndWatch },
  { name: "a file is found and downloaded", check: browseAndDownload },
  { name: "a selection is downloaded", check: selectAndDownload },
  { name: "two backups are compared", check: compare },
  { name: "a backup is archived, held and released", check: protect },
  { name: "a backup is verified", check: verify },
  { name: "a backup is deleted", check: remove },
  { name: "a client is paused", check: pause },
];

module.exports = { checks };
