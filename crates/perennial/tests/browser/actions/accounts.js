// A user is added and sees what was granted; a token is shown once.
"use strict";

const assert = require("node:assert/strict");

const { nothingWrong } = require("../watch.js");

const NEW_PASSWORD = "another battery staple";

async function user(scene) {
  const { client, other } = scene.told;
  const page = await scene.administrator();
  await page.goto("/users");
  await page.getByRole("link", { name: "Add a user" }).click();
  await page.getByLabel("Name").fill("bert");
  await page.getByLabel("Set a new password").fill(NEW_PASSWORD);
  await page.getByLabel("New password once more").fill(NEW_PASSWORD);
  await page.getByRole("button", { name: "Add a user" }).click();
  await page.waitForURL("/users/bert");
  await page.getByLabel("Role").selectOption("viewer");
  await page.getByLabel("For", { exact: true }).selectOption({ label: client });
  await page.getByRole("button", { name: "Grant" }).click();
  await page.getByRole("row").filter({ hasText: "viewer" }).waitFor();
  await seesLess(await scene.user("bert", NEW_PASSWORD), client, other);
  await page.getByRole("button", { name: "Disable" }).click();
  await page.getByRole("heading", { level: 1 }).getByText("Disabled").waitFor();
  nothingWrong(page);
}

/** Sees one client and no more, and what is refused is said. */
async function seesLess(page, client, other) {
  assert.equal(await page.getByRole("link", { name: "Users", exact: true }).count(), 0);
  await page.goto("/clients");
  await page.getByRole("link", { name: client, exact: true }).waitFor();
  assert.equal(await page.getByRole("link", { name: other, exact: true }).count(), 0);
  nothingWrong(page);
  for (const [address, status] of [[`/clients/${other}`, 404], ["/users", 403]]) {
    const answer = await page.goto(address);
    assert.equal(answer.status(), status, address);
    await page.getByRole("link", { name: "To the overview" }).waitFor();
  }
}

async function token(scene) {
  const page = await scene.administrator();
  await page.goto("/account");
  await page.getByRole("link", { name: "Make a token" }).click();
  await page.getByLabel("Name").fill("nightly");
  await page.getByLabel("Only this:").check();
  await page.getByLabel("see", { exact: true }).check();
  await page.getByLabel("How long it holds").selectOption({ label: "30 days" });
  await page.getByLabel("Your password").fill(scene.told.password);
  await page.getByRole("button", { name: "Make it" }).click();
  const shown = await page.locator("pre.copy code").innerText();
  assert.match(shown, /^perennial_api_/);
  await page.getByRole("link", { name: "I have kept it safe" }).click();
  await page.getByRole("row").filter({ hasText: "nightly" }).waitFor();
  assert.equal((await page.content()).includes(shown), false);
  await page.getByRole("button", { name: "Revoke: nightly" }).click();
  await page.getByRole("button", { name: "Revoke: nightly" }).waitFor({ state: "detached" });
  nothingWrong(page);
}

const checks = [
  { name: "a user is added and sees what was granted", check: user },
  { name: "a token is made, shown once and revoked", check: token },
];

module.exports = { checks };
