// Runs one suite against the server of a scene: `node run.js SUITE SCENE.json`. What is wrong goes to stdout, and the exit code is 1.
"use strict";

const { open } = require("./scene.js");

const SUITES = {
  "first-visit": () => require("./first_visit.js").checks,
  pages: () => require("./walk.js").checks,
  actions: () => require("./actions/index.js").checks,
  "without-scripts": () => require("./without_scripts.js").checks,
  hostile: () => require("./hostile.js").checks,
};

/** Runs the checks of a suite one after the other, whatever becomes of those before. */
async function run(suite, scene) {
  let failed = 0;
  scene.forgetPictures(scene.failed);
  for (const { name, check } of SUITES[suite]()) {
    const began = Date.now();
    try {
      await check(scene);
      console.log(`ok      ${Date.now() - began} ms  ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${Date.now() - began} ms  ${name}\n${error.stack}`);
      await scene.photograph(name);
    }
    await scene.closeGuests();
  }
  return failed;
}

async function main() {
  const [suite, file] = process.argv.slice(2);
  if (!SUITES[suite] || !file) {
    console.error(`usage: node run.js ${Object.keys(SUITES).join("|")} SCENE.json`);
    return 2;
  }
  const scene = await open(suite, file);
  try {
    return (await run(suite, scene)) > 0 ? 1 : 0;
  } finally {
    await scene.close();
  }
}

main().then(
  (code) => process.exit(code),
  (error) => {
    console.log(error.stack);
    process.exit(1);
  },
);
