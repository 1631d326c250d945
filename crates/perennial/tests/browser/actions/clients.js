// A client is shown as people call it, and restores files once somebody there has confirmed that.
"use strict";

const assert = require("node:assert/strict");
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");

const { nothingWrong } = require("../watch.js");

async function rename(scene) {
  const { client, other } = scene.told;
  const page = await scene.administrator();
  await page.goto(`/clients/${client}`);
  await page.getByLabel("Shown as").fill("Anna’s <b>laptop</b>");
  await page.getByRole("button", { name: "Rename" }).click();
  await page.getByRole("heading", { level: 1, name: "Anna’s <b>laptop</b>" }).waitFor();
  await page.goto("/clients?q=anna%E2%80%99s");
  await page.getByRole("link", { name: "Anna’s <b>laptop</b>" }).waitFor();
  await page.goto(`/clients/${other}`);
  await page.getByLabel("Shown as").fill(client);
  await page.getByLabel("Shown as").press("Enter");
  await page.getByRole("alert").getByText("another client").waitFor();
  await page.goto(`/clients/${client}`);
  await page.getByLabel("Shown as").fill("");
  await page.getByLabel("Shown as").press("Enter");
  await page.getByRole("heading", { level: 1, name: client }).waitFor();
  nothingWrong(page);
}

/** Makes an installer, after a try that is refused, and is shown what to run and to download. */
async function add(scene) {
  const page = await scene.administrator();
  await page.goto("/clients");
  await page.getByRole("link", { name: "Add a client" }).click();
  await page.getByLabel("Name").fill("garden");
  await page.getByLabel("What is backed up").fill("home");
  await page.getByRole("button", { name: "Make an installer" }).click();
  await page.getByRole("alert").getByText("absolute path").waitFor();
  assert.equal(await page.getByLabel("Name").inputValue(), "garden");
  await page.getByLabel("What is backed up").fill("/home\n/srv");
  await page.getByLabel("Good for").selectOption("7");
  await page.getByRole("button", { name: "Make an installer" }).click();
  await page.getByRole("heading", { level: 2, name: "garden" }).waitFor();
  const line = await page.locator("pre").first().innerText();
  assert.match(line, /^sh -c "\$\(curl -fsS --insecure --pinnedpubkey 'sha256\/\/\S+' 'https:\S+\/install\/\S+' \|\| echo exit 1\)"$/);
  for (const [name, ending] of [["Shell script", "garden.sh"], ["Debian", "garden_amd64.deb"]]) {
    const coming = page.waitForEvent("download");
    await page.getByRole("link", { name }).click();
    const download = await coming;
    assert.equal(download.suggestedFilename(), `perennial-client-${ending}`);
    await download.cancel();
  }
  // This one takes longer than a browser should wait in a build for tests.
  assert.match(await page.getByRole("link", { name: "Fedora" }).getAttribute("href"), /^\/install\/\S+\/rpm$/);
  await page.screenshot({ path: scene.picture("new-client", "made"), fullPage: true });
  nothingWrong(page);
}

/** Asks from a file's page, is told that it waits, and finds the file back once it is confirmed on the client's machine. */
async function bringBack(scene) {
  const { client, client_state: state, file, program } = scene.told;
  const content = fs.readFileSync(file.path);
  fs.rmSync(file.path);
  const page = await scene.administrator();
  await page.goto(`/clients/${client}/backups/latest/file?path=data/${encodeURIComponent(file.name)}`);
  await page.getByRole("link", { name: "Restore to the client" }).click();
  await page.getByRole("heading", { level: 1, name: `Restore to ${client}` }).waitFor();
  await page.getByLabel("Into one directory of the client").check();
  await page.getByRole("button", { name: "Ask the client" }).click();
  await page.getByRole("alert").getByText("Say into which directory").waitFor();
  await page.getByLabel("To where it came from").check();
  await page.getByRole("button", { name: "Ask the client" }).click();
  await page.waitForURL(/\/activity\/\d+$/);
  const job = page.url().split("/").pop();
  while (!(await page.getByText("somebody to confirm it at the client").count())) await page.reload();
  execFileSync(program, ["client", "restores", "confirm", job, "--client-state", state], { stdio: "ignore" });
  const badge = page.getByRole("heading", { level: 1 }).locator(".badge");
  while (["Waiting", "Running"].includes(await badge.innerText())) await page.reload();
  assert.equal(await badge.innerText(), "Done");
  assert.deepEqual(fs.readFileSync(file.path), content);
  await page.goto(`/clients/${client}/backups/latest/files?path=data`);
  await page.getByLabel("Select empty", { exact: true }).check();
  await page.getByRole("button", { name: "Restore to the client" }).click();
  await page.getByRole("listitem").getByText("data/empty").waitFor();
  nothingWrong(page);
}

const checks = [
  { name: "a client is added", check: add },
  { name: "a client is renamed", check: rename },
  { name: "a file is restored by the client", check: bringBack },
];

module.exports = { checks };
