"""A stand-in for the hub: tells the proxy its route, answers the pages that readiness is asked by, starts a service."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

from behaviour import Quiet, begin, serve
from bowerbird_config.load import load
from bowerbird_config.paths import Var

HUB = int(os.environ.get("BOWERBIRD_HUB_PORT", "0"))


class Pages(Quiet):
    """The hub's pages."""

    def do_GET(self) -> None:
        """Answer the pages that the real one has without signing in."""
        self.answer(200 if self.path in {"/hub/health", "/hub/login"} else 404)

    def do_POST(self) -> None:
        """Tell the proxy the routes again, for the supervisor alone."""
        token = (Path(os.environ["BOWERBIRD_VAR"]) / "secrets" / "supervisor-token").read_text().strip()
        if self.path != "/hub/api/proxy" or self.headers["Authorization"] != f"token {token}":
            self.answer(403)
            return
        add_route()
        self.answer(200)


def add_route() -> None:
    """Do as JupyterHub does at its start."""
    token = (Path(os.environ["BOWERBIRD_VAR"]) / "secrets" / "proxy-token").read_text().strip()
    request = urllib.request.Request(
        f"http://127.0.0.1:{os.environ['BOWERBIRD_PROXY_API_PORT']}/api/routes/",
        data=json.dumps({"target": f"http://127.0.0.1:{HUB}"}).encode(),
        headers={"Authorization": f"token {token}"},
        method="POST",
    )
    urllib.request.urlopen(request, timeout=5).close()


def upgrade_database() -> None:
    """Say that it was asked for."""
    (Path(os.environ["FAKE_PARTS"]) / "upgrade-db").write_text(sys.argv[-1])


def main() -> None:
    """Run until killed."""
    if "upgrade-db" in sys.argv:
        upgrade_database()
        return
    begin("hub")
    platform = load(Path(os.environ["BOWERBIRD_PLATFORM"]))
    Var(Path(os.environ["BOWERBIRD_VAR"])).platform.write_text(platform.model_dump_json())
    server = serve(HUB, Pages)
    add_route()
    service = {**os.environ, "JUPYTERHUB_SERVICE_NAME": "fake"}
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], env=service) as child:
        try:
            server.serve_forever()
        finally:
            child.kill()


if __name__ == "__main__":
    main()
