"""A real lab of the environment that researchers get, on a small `/data`, with a platform that has one survey."""

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import nbformat
from playwright.sync_api import Page, expect

from tests.extensions.survey_server import Platform, platform
from tests.extensions.views import make_view
from tests.support.cas import free_port

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".bowerbird/envs/lab/bin/python"
BASE = "/user/somebody/"
TOKEN = "a-token-of-this-test"
READY_SECONDS = 40
SHOWN_MS = 60_000


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: object) -> None:
        """Follow nothing: where an answer points to is what is tested."""


@dataclass(frozen=True)
class Lab:
    """A lab that answers."""

    port: int
    home: Path
    log: Path
    news: Path
    view: Path
    platform: Platform

    def get(self, path: str, token: str = TOKEN, headers: Mapping[str, str] = MappingProxyType({})) -> tuple[int, str, str]:
        """Return status, body and Location of an answer."""
        status, body, location = self.content(path, token, headers)
        return status, body.decode(), location

    def content(self, path: str, token: str = TOKEN, headers: Mapping[str, str] = MappingProxyType({})) -> tuple[int, bytes, str]:
        """Return the same, the body as it came."""
        signed = {**headers, "Authorization": f"token {token}"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{BASE}{path}", headers=signed)
        try:
            with urllib.request.build_opener(_Stay).open(request, timeout=10) as answer:
                return answer.status, answer.read(), ""
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read(), answer.headers.get("Location") or ""


@contextmanager
def real_lab(place: Path, tables: str = "", token: str = "") -> Iterator[Lab]:
    """Start a lab; PYTHON says whether it can be. It asks a small platform, or that of these tables with a token for it."""
    home = place / "home"
    home.mkdir()
    view = make_view(place / "data")
    port = free_port()
    options = ["--no-browser", "--allow-root", f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--ServerApp.base_url={BASE}"]
    options += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={place}"]
    environment = {**os.environ, "HOME": str(home), "BOWERBIRD_DATA": str(view), "JUPYTER_RUNTIME_DIR": str(place / "runtime")}
    environment["BOWERBIRD_NEWS"] = str(place / "news.json")
    log = place / "lab.log"
    with (
        platform() as told,
        log.open("w") as output,
        subprocess.Popen(
            [str(PYTHON), "-m", "jupyter", "lab", *options],
            env={**environment, "BOWERBIRD_TAP_URL": tables or f"{told.address}/tap", "JUPYTERHUB_API_TOKEN": token or told.token},
            cwd=home,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as server,
    ):
        try:
            found = Lab(port, home, log, place / "news.json", view, told)
            _wait(found, server)
            yield found
        finally:
            server.terminate()
            server.wait(timeout=20)


def _wait(lab: Lab, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            lab.get("api/status")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
        else:
            return
    raise AssertionError(lab.log.read_text())


def opened(lab: Lab, page: Page, name: str, *cells: str) -> None:
    """Open a notebook of these cells and run them all."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, lab.home / f"{name}.ipynb")
    page.goto(f"http://127.0.0.1:{lab.port}{BASE}lab/tree/home/{name}.ipynb?token={TOKEN}&reset")
    expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=SHOWN_MS)
    page.click("text=Run >> nth=0")
    page.click(".lm-Menu-itemLabel:text-is('Run All Cells')")
