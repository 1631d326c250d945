// A channel is added and tested, and its message arrives.
"use strict";

const assert = require("node:assert/strict");
const http = require("node:http");

const { nothingWrong } = require("../watch.js");

/** A server that keeps what it is sent. */
async function receiver() {
  const messages = [];
  const server = http.createServer((request, response) => {
    let body = "";
    request.on("data", (part) => (body += part));
    request.on("end", () => {
      messages.push(body);
      response.end();
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { messages, address: `http://127.0.0.1:${server.address().port}/hook`, close: () => server.close() };
}

async function channel(scene) {
  const { messages, address, close } = await receiver();
  const page = await scene.administrator();
  await page.goto("/notifications");
  await page.getByRole("link", { name: "Add a channel" }).click();
  await page.getByRole("link", { name: "Webhook" }).click();
  await page.getByLabel("Name of the channel").fill("hook");
  await page.getByLabel("Address").fill(address);
  await page.getByLabel("Tells").selectOption({ label: "failures and warnings" });
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForURL((address) => address.pathname === "/notifications");
  await page.getByRole("row").filter({ hasText: "hook" }).getByRole("button", { name: "Test" }).click();
  await page.getByText("The message was delivered.").waitFor();
  close();
  assert.equal(messages.length, 1);
  assert.equal(typeof JSON.parse(messages[0]), "object");
  await page.goto("/notifications/hook/remove");
  await page.getByRole("button", { name: "Remove" }).click();
  await page.waitForURL("/notifications");
  assert.equal(await page.getByRole("row").filter({ hasText: "hook" }).count(), 0);
  nothingWrong(page);
}

module.exports = { checks: [{ name: "a channel is added, tested and removed", check: channel }] };
