// What the proxy says by itself while nothing behind it answers: to browsers its page, to programs a sentence, and to both
// when to try again. Its own answers alone come with their headers in one call; what it passes on does not.
"use strict";

const { readFileSync } = require("node:fs");
const { ServerResponse } = require("node:http");
const { join } = require("node:path");

const STATUS = 503;
const PAGE = "text/html";
// Programs in Java, such as TOPCAT, name pages before these, and no browser does.
const OF_JAVA = "image/gif";
const AGAIN_SECONDS = "10";
// Beside the page, wherever this file itself lies.
const sentence = join(process.argv[process.argv.indexOf("--error-path") + 1], "503.txt");

const { writeHead } = ServerResponse.prototype;

ServerResponse.prototype.writeHead = function (status, ...rest) {
  const headers = rest.at(-1);
  if (status !== STATUS || headers?.["Content-Type"] !== PAGE) return writeHead.call(this, status, ...rest);
  headers["Retry-After"] = AGAIN_SECONDS;
  const accept = this.req?.headers.accept ?? "";
  if (!accept.includes(PAGE) || accept.includes(OF_JAVA)) inWords(this, headers);
  return writeHead.call(this, status, ...rest);
};

// A client of the VO shows a text to whoever uses it, and of a page only its status.
function inWords(answer, headers) {
  let words;
  try {
    words = readFileSync(sentence);
  } catch {
    return;
  }
  headers["Content-Type"] = "text/plain; charset=utf-8";
  answer.write = () => true;
  answer.end = () => Object.getPrototypeOf(answer).end.call(answer, words);
}
