"""A stand-in for configurable-http-proxy: its options, its routes API with the token, its health page; standard library only."""

import argparse
import json
import os
import threading
import urllib.error
import urllib.request

from behaviour import Quiet, begin, serve

routes: dict[str, str] = {}


class Api(Quiet):
    """The API that the hub talks to."""

    def _refused(self) -> bool:
        if self.headers["Authorization"] == f"token {os.environ['CONFIGPROXY_AUTH_TOKEN']}":
            return False
        self.answer(403)
        return True

    def do_GET(self) -> None:
        """Tell the routes."""
        if not self._refused():
            self.answer(200, json.dumps(routes).encode())

    def do_POST(self) -> None:
        """Add a route."""
        if not self._refused():
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            routes[self.path.removeprefix("/api/routes")] = told["target"]
            self.answer(201)


class Public(Quiet):
    """What people reach: everything goes to the one route."""

    def do_GET(self) -> None:
        """Hand the request on."""
        if self.path == "/_chp_healthz":
            self.answer(200)
        elif "/" not in routes:
            self.answer(404)
        else:
            try:
                with urllib.request.urlopen(routes["/"] + self.path, timeout=5) as reply:
                    self.answer(reply.status, reply.read())
            except OSError:
                self.answer(503)


def main() -> None:
    """Run until killed."""
    parser = argparse.ArgumentParser()
    for option in ("--ip", "--port", "--api-ip", "--api-port", "--error-path", "--default-target"):
        parser.add_argument(option)
    parser.add_argument("--host-routing", action="store_true")
    asked = parser.parse_args()
    begin("proxy")
    api = serve(int(asked.api_port), Api)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    serve(int(asked.port), Public).serve_forever()


if __name__ == "__main__":
    main()
