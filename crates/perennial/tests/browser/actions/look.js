// Language and colours are chosen, and motion is left out for who does not want it.
"use strict";

const assert = require("node:assert/strict");

const { nothingWrong } = require("../watch.js");

const ground = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);

async function language(scene) {
  const page = await scene.administrator();
  await page.goto("/account");
  await page.getByLabel("Language").selectOption({ label: "Deutsch" });
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("button", { name: "Abmelden" }).waitFor();
  for (const [address, heading] of [["/activity", "Aktivität"], ["/settings", "Einstellungen"], ["/storage", "Speicher"]]) {
    await page.goto(address);
    assert.equal(await page.locator("html").getAttribute("lang"), "de");
    await page.getByRole("heading", { level: 1 }).filter({ hasText: heading }).waitFor();
  }
  nothingWrong(page);
}

async function colours(scene) {
  const page = await scene.administrator({ colorScheme: "light" });
  await page.goto("/account");
  const light = await ground(page);
  await page.getByLabel("Colours").selectOption({ label: "Dark" });
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForFunction(() => document.documentElement.dataset.theme === "dark");
  const dark = await ground(page);
  assert.notEqual(dark, light);
  await page.emulateMedia({ colorScheme: "dark" });
  await page.getByLabel("Colours").selectOption({ label: "Light" });
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForFunction(() => document.documentElement.dataset.theme === "light");
  assert.equal(await ground(page), light);
  nothingWrong(page);
}

/** Nothing moves, and nothing would. */
async function stillness(scene) {
  const page = await scene.administrator({ reducedMotion: "reduce" });
  for (const address of scene.told.pages.filter((address) => address.lastIndexOf("/") === 0)) {
    await page.goto(address);
    const moving = await page.evaluate(() => {
      const moves = ({ transitionDuration, animationName, scrollBehavior }) =>
        /[1-9]/.test(transitionDuration) || animationName !== "none" || scrollBehavior === "smooth";
      const all = [...document.querySelectorAll("*")].filter((element) => moves(getComputedStyle(element)));
      return [...all.map((element) => element.outerHTML.slice(0, 80)), ...document.getAnimations().map(String)];
    });
    assert.deepEqual(moving, [], address);
  }
}

const checks = [
  { name: "pages are German for who has chosen that", check: language },
  { name: "colours are those that were chosen", check: colours },
  { name: "nothing moves for who does not want it", check: stillness },
];

module.exports = { checks };
