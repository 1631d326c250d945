// A fresh server: the first user, the log-in, the second factor. One check, as each step stands on the one before.
"use strict";

const assert = require("node:assert/strict");

const { logIn } = require("./scene.js");
const { ALL_RULES, violations } = require("./accessibility.js");
const { layoutProblems } = require("./layout.js");
const { code } = require("./totp.js");
const { nothingWrong } = require("./watch.js");

async function firstVisit(scene) {
  const { user, password } = scene.told;
  const page = await scene.visitor();
  await setUp(page, scene);
  await logOut(page, user);
  await wrongPassword(page, user, password);
  const { secret, recovery } = await secondFactor(page, password);
  await logOut(page, user);
  // The code that has confirmed it is used up; a clock may be off by a step.
  await logIn(page, user, password, code(secret, 1));
  await logOut(page, user);
  await logIn(page, user, password, recovery);
  await page.goto("/account");
  await page.getByText("9 recovery codes are left.").waitFor();
  nothingWrong(page);
}

async function setUp(page, scene) {
  const { user, password, code } = scene.told;
  await page.goto("/");
  await page.waitForURL("/welcome");
  const problems = [...(await layoutProblems(page, { language: "en" })), ...(await violations(page, ALL_RULES))];
  assert.deepEqual(problems, []);
  await page.screenshot({ path: scene.picture("first-visit", "welcome"), fullPage: true });
  const typed = async (code, again) => {
    await page.getByLabel("One-time code").fill(code);
    await page.getByLabel("Your name").fill(user);
    await page.getByLabel("Password", { exact: true }).fill(password);
    await page.getByLabel("Password once more").fill(again);
    await page.getByLabel("Password once more").press("Enter");
  };
  await typed(code, "another one");
  await page.getByRole("alert").filter({ hasText: "differ" }).waitFor();
  await typed("AAAA-BBBB-CCCC-DDDD", password);
  await page.getByRole("alert").filter({ hasText: "not the one that the server has told" }).waitFor();
  await typed(code.toLowerCase(), password);
  await page.waitForURL("/new-client");
  await newClient(page);
}

/** The first thing to do: a client is let in, with what is to be typed on it. */
async function newClient(page) {
  await page.getByLabel("Name").fill("laptop");
  await page.getByRole("button", { name: "Make an installer" }).click();
  await page.locator("pre.copy", { hasText: "curl" }).waitFor();
  await page.getByText("Or let a program join that is there already").click();
  const command = await page.locator("pre.copy", { hasText: "perennial enroll" }).innerText();
  assert.match(command, /^perennial enroll perennial1\S+$/);
}

async function logOut(page, user) {
  await page.getByRole("link", { name: user, exact: true }).click();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.waitForURL("/login");
  await page.goto("/clients");
  await page.waitForURL("/login?next=%2Fclients");
}

async function wrongPassword(page, user, password) {
  await page.getByLabel("User").fill(user);
  await page.getByLabel("Password").fill("a wrong guess");
  await page.getByLabel("Password").press("Enter");
  await page.getByRole("alert").waitFor();
  assert.equal(await page.getByLabel("User").inputValue(), user);
  await page.getByLabel("Password").fill(password);
  await page.getByLabel("Password").press("Enter");
  // Where he was about to go.
  await page.waitForURL("/clients");
}

/** Sets one up; returns its secret and a recovery code. */
async function secondFactor(page, password) {
  await page.goto("/account");
  await page.getByRole("link", { name: "Set up a second factor" }).click();
  await page.getByLabel("Your password").fill("a wrong guess");
  await page.getByLabel("Your password").press("Enter");
  await page.getByRole("alert").waitFor();
  await page.getByLabel("Your password").fill(password);
  await page.getByRole("button", { name: "Set up a second factor" }).click();
  await page.getByRole("img", { name: "QR code" }).waitFor();
  assert.deepEqual(await violations(page, ALL_RULES), []);
  const secret = await page.locator("pre.copy code").first().innerText();
  await page.getByLabel("Code that the app shows").fill(code(secret));
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.getByRole("status").filter({ hasText: "From now on codes are asked for." }).waitFor();
  const codes = (await page.locator("pre.copy code").innerText()).split("\n");
  assert.equal(codes.length, 10);
  await page.getByRole("link", { name: "I have kept it safe" }).click();
  return { secret, recovery: codes[0] };
}

module.exports = { checks: [{ name: "the first visit, the log-in and the second factor", check: firstVisit }] };
