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
  { name: "a client is renamed", check: rename },
  { name: "a file is restored by the client", check: bringBack },
];

module.exports = { checks };
