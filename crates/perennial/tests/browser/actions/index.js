// What people do on the pages, by mouse and keyboard. A new action is one more check in the file of its kind, or a file in this list.
// They are played in this order on one server, each on a page of its own.
"use strict";

const checks = [
  ...require("./backups.js").checks,
  ...require("./clients.js").checks,
  ...require("./settings.js").checks,
  ...require("./groups.js").checks,
  ...require("./notifications.js").checks,
  ...require("./accounts.js").checks,
  ...require("./look.js").checks,
  ...require("./keyboard.js").checks,
];

module.exports = { checks };
