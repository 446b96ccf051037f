// An answer that breaks off behind the proxy breaks off before it too. http-proxy pipes one into the other, and a pipe
// that loses its source tells nobody: the client would wait for the rest for ever.
"use strict";

const { IncomingMessage, ServerResponse } = require("node:http");

const { pipe } = IncomingMessage.prototype;

IncomingMessage.prototype.pipe = function (to, ...how) {
  if (to instanceof ServerResponse) {
    this.once("close", () => {
      if (!this.complete) to.destroy();
    });
  }
  return pipe.call(this, to, ...how);
};
