// What a suite is played on: the server, told in a file by whoever has started it, and a browser with the people who sit before it.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { chromium } = require("playwright-core");

const { watch } = require("./watch.js");

const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };
/** How long anything on a page may take to come. */
const PATIENCE_MS = 20_000;

/** Opens the scene of a suite that is told in a file. */
async function open(suite, file) {
  const told = JSON.parse(fs.readFileSync(file, "utf8"));
  const browser = await chromium.launch({
    executablePath: told.browser,
    // Its own sandbox takes rights that containers and root don't give; the pages are ours. /dev/shm may be tiny there.
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
  return new Scene(suite, told, browser);
}

class Scene {
  #browser;
  /** The cookies of the administrator, once he has logged in. */
  #session;
  /** Contexts that end with the check that opened them. */
  #guests = [];

  constructor(suite, told, browser) {
    this.told = told;
    this.failed = path.join("failed", suite);
    this.origin = `https://${told.address}`;
    this.#browser = browser;
  }

  /** Somebody before a browser of his own who has not logged in: a page that is watched. */
  async visitor(options = {}) {
    const context = await this.#browser.newContext({
      baseURL: this.origin,
      ignoreHTTPSErrors: true,
      locale: "en-GB",
      timezoneId: "UTC",
      viewport: DESKTOP,
      reducedMotion: "reduce",
      ...options,
    });
    context.setDefaultTimeout(PATIENCE_MS);
    this.#guests.push(context);
    return watched(await context.newPage(), this.origin);
  }

  /** The administrator, logged in; once for all, as a log-in is costly on purpose. */
  async administrator(options = {}) {
    if (!this.#session) {
      const page = await this.visitor();
      await logIn(page, this.told.user, this.told.password);
      this.#session = await page.context().storageState();
    }
    return this.visitor({ storageState: this.#session, ...options });
  }

  /** Somebody else, logged in. */
  async user(name, password) {
    const page = await this.visitor();
    await logIn(page, name, password);
    return page;
  }

  /** Ends what a check has opened. */
  async closeGuests() {
    for (const context of this.#guests.splice(0)) await context.close();
  }

  /** Keeps what the pages show that are open. */
  async photograph(name) {
    const pages = this.#guests.flatMap((context) => context.pages());
    for (const [at, page] of pages.entries()) {
      // It is only to help; what is to be told is told already.
      await page.screenshot({ path: this.picture(this.failed, `${name}-${at}`), fullPage: true }).catch(() => {});
    }
  }

  /** The file for a picture. */
  picture(folder, name) {
    // The same name in every run.
    const lasting = this.told.backup ? name.replaceAll(this.told.backup, "earlier") : name;
    const plain = lasting.replaceAll(/[^\w.]+/g, "-").replaceAll(/^-|-$/g, "") || "overview";
    return path.join(this.told.pictures, folder, `${plain}.png`);
  }

  /** Removes the pictures of earlier runs. */
  forgetPictures(folder) {
    fs.rmSync(path.join(this.told.pictures, folder), { recursive: true, force: true });
  }

  async close() {
    await this.#browser.close();
  }
}

function watched(page, origin) {
  page.watch = watch(page, origin);
  return page;
}

/** Logs in as a person does. */
async function logIn(page, user, password, code) {
  await page.goto("/login");
  await page.getByLabel("User").fill(user);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
  if (code) {
    await page.getByLabel("Password").fill(password);
    await page.getByLabel("Code").fill(code);
    await page.getByRole("button", { name: "Log in" }).click();
  }
  await page.waitForURL((address) => address.pathname !== "/login");
}

module.exports = { open, logIn, DESKTOP, PHONE };
