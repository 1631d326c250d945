// A group is made, a client put into it, and the group removed.
"use strict";

const assert = require("node:assert/strict");

const { nothingWrong } = require("../watch.js");

async function group(scene) {
  const { other } = scene.told;
  const page = await scene.administrator();
  await page.goto("/groups");
  await page.getByLabel("Name").fill("on the road");
  await page.getByLabel("Name").press("Enter");
  await page.waitForURL("/groups/on%20the%20road");
  await page.getByLabel("Client").selectOption(other);
  await page.getByRole("button", { name: "Put in" }).click();
  await page.getByRole("button", { name: `Take out: ${other}` }).waitFor();
  await page.getByRole("link", { name: other, exact: true }).click();
  await page.getByText("on the road").first().waitFor();
  await page.goto("/groups/on%20the%20road/delete");
  await page.getByText("One client will be in no group.").waitFor();
  await page.getByRole("button", { name: "Delete the group" }).click();
  await page.waitForURL("/groups");
  assert.equal(await page.getByText("on the road").count(), 0);
  nothingWrong(page);
}

module.exports = { checks: [{ name: "a group is made, filled and deleted", check: group }] };
