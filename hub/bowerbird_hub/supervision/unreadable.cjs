// An address that says no path, as of its percent signs, is the client's fault; the proxy would call it its own.
"use strict";

const { Server } = require("node:http");

const WORDS = "this address cannot be read: after each % of it stand two digits, which together are UTF-8; write % itself as %25\n";

const { emit } = Server.prototype;

Server.prototype.emit = function (event, request, answer, ...rest) {
  if (event !== "request" || saysPath(request.url)) return emit.call(this, event, request, answer, ...rest);
  answer.writeHead(400, { "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store" });
  answer.end(WORDS);
  return true;
};

function saysPath(address) {
  try {
    decodeURIComponent(new URL(address, "http://example.org").pathname);
    return true;
  } catch {
    return false;
  }
}
