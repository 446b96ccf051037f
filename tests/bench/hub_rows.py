"""Rows about the running platform: from sign-in to a ready server, and the memory of the standing processes."""

import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.bench.row import Row, paired
from tests.support.session import sign_in
from tests.system.conftest import ROOT, Running

READY_SECONDS = 60
MEMORY_PARTS = ("proxy", "hub", "service demo-cas", "holder", "keeper")
MIB = 1 << 20


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


LAB = ("-m", "jupyter", "lab")
# What our servers leave out: the grammar of IRIs, which jsonschema would make at each start.
LEAN_LAB = ("-c", "import sys; sys.modules['rfc3987_syntax'] = None; from jupyterlab.labapp import main; main()")


def bare_start_seconds(home: Path, program: tuple[str, ...] = LAB) -> float:
    """Start the same `jupyter lab` without hub, sandbox and mount, and return the seconds until it answers."""
    port = _free_port()
    python = ROOT / ".bowerbird" / "envs" / "lab" / "bin" / "python"
    options = ["--no-browser", "--allow-root", f"--ServerApp.port={port}", "--IdentityProvider.token=", f"--ServerApp.root_dir={home}"]
    environment = {**os.environ, "HOME": str(home)}
    began = time.perf_counter()
    with subprocess.Popen(
        [str(python), *program, *options], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            while not _answers(f"http://127.0.0.1:{port}/api/status"):
                if server.poll() is not None or time.perf_counter() - began > READY_SECONDS:
                    raise RuntimeError("the bare jupyter lab did not answer")
                time.sleep(0.02)
            return time.perf_counter() - began
        finally:
            server.kill()


def platform_start_seconds(platform: Running, account: str) -> float:
    """Sign in, start a server, return the seconds until it answers its owner; then stop it."""
    password = platform.password(account)
    url = platform.url
    began = time.perf_counter()
    with sign_in(url, account, password) as session:
        session.start("minimal")
        took = time.perf_counter() - began
        session.stop()
    return took


def memory_mib(platform: Running) -> float:
    """Return the proportional memory of the standing processes and of one view's worker."""
    processes = platform.status()["processes"]
    standing = [process for process in processes if process["name"] in MEMORY_PARTS]
    workers = [process for process in processes if process["name"].startswith("view of ")]
    return float(sum(process["memory_bytes"] for process in [*standing, *workers[:1]])) / MIB


def rows(rounds: int) -> list[Row]:
    """Measure on a platform of its own, started and ended here."""
    with tempfile.TemporaryDirectory() as scratch:
        running = Running(Path(scratch) / "var")
        running.command("up", "--detach", "--port", "0")
        try:
            home = Path(scratch) / "home"
            home.mkdir()
            ours, bare = paired(rounds, lambda: platform_start_seconds(running, "researcher"), lambda: bare_start_seconds(home))
            again, lean = paired(rounds, lambda: platform_start_seconds(running, "researcher"), lambda: bare_start_seconds(home, LEAN_LAB))
            with sign_in(running.url, "researcher", running.password("researcher")) as session:
                session.start("minimal")
                used = [memory_mib(running) for _ in range(rounds)]
        finally:
            running.command("down")
    return [
        Row.against("P13", "sign-in to ready server", ours, bare, peer_name="bare jupyter lab", unit="s", goal=1.15, better="lower"),
        Row.against(
            "P13b",
            "the same, the peer without jsonschema's slow extra",
            again,
            lean,
            peer_name="bare jupyter lab, as lean as ours",
            unit="s",
            goal=1.15,
            better="lower",
        ),
        Row.alone("memory", "proxy + hub + CAS + holder + keeper + one worker (PSS)", used, unit="MiB", goal=340, better="lower"),
    ]
