// A setting is changed, and tells where its value comes from.
"use strict";

const assert = require("node:assert/strict");

const { nothingWrong } = require("../watch.js");

/** The setting of this key on a page of settings. */
const setting = (page, key) =>
  page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: new RegExp(`^${key}( |$)`) }) });

async function put(page, key, value) {
  const one = setting(page, key);
  await one.getByText("Change", { exact: false }).first().click();
  await one.getByLabel("New value").fill(value);
  await one.getByLabel("New value").press("Enter");
}

async function change(scene) {
  const page = await scene.administrator();
  await page.goto("/settings?q=keep_daily");
  await setting(page, "keep_daily").getByText("default").first().waitFor();
  await put(page, "keep_daily", "many");
  await page.getByRole("alert").waitFor();
  const field = setting(page, "keep_daily").getByLabel("New value");
  assert.equal(await field.getAttribute("aria-invalid"), "true");
  assert.equal(await field.inputValue(), "many");
  await field.fill("21");
  await page.getByRole("button", { name: "Save" }).click();
  await setting(page, "keep_daily").getByText("set for all clients; otherwise").waitFor();
  nothingWrong(page);
}

/** What is set for a client goes before what is set for all, until it is set no longer. */
async function changeOfClient(scene) {
  const { client } = scene.told;
  const page = await scene.administrator();
  await page.goto(`/settings/clients/${client}?q=keep_daily`);
  await put(page, "keep_daily", "5");
  const one = setting(page, "keep_daily");
  await one.getByText(`set for client ${client}; otherwise 21`).waitFor();
  await one.getByText("Change", { exact: false }).first().click();
  await one.getByRole("button", { name: "No longer set here" }).click();
  await one.getByText("set for all clients; otherwise").waitFor();
  nothingWrong(page);
}

const checks = [
  { name: "a setting is changed for all", check: change },
  { name: "a setting is changed for one client and back", check: changeOfClient },
];

module.exports = { checks };
