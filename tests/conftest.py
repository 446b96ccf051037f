"""What every test shares: the markers' skips, each with its reason.

`root` needs root, `fuse` needs /dev/fuse, `browser` needs Debian's chromium, `long` runs with --long only,
`peers` with --peers only, which installs what it compares with, `cluster` with --cluster only, which starts a Kubernetes,
`images` with --images only, which builds images.
"""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

# Tests of one of these share what takes long to start, and so one process runs them; of the others each file is one's.
_TOGETHER = ("tests/cluster/", "tests/extensions/", "tests/system/")

settings.register_profile("same every time", deadline=None, derandomize=True)
settings.register_profile("searching", deadline=None, print_blob=True)


def pytest_configure(config: pytest.Config) -> None:
    """Take the same examples every time, so that a run tells of the change and not of luck; --long goes looking for new ones."""
    settings.load_profile("searching" if config.getoption("--long") else "same every time")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the soaks in full")
    parser.addoption("--peers", action="store_true", help="also run what needs another program, installed for it: DaCHS of Debian")
    parser.addoption("--cluster", action="store_true", help="also run what needs a Kubernetes, which is built and started for it")
    parser.addoption("--images", action="store_true", help="also build every image and hold it to its contract, with buildah or podman")
    parser.addoption("--update-data", action="store_true", help="write the golden files of tests/data anew")


class _Sharing(LoadFileScheduling):
    """Gives each process whole files, or folders that share a fixture."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in _TOGETHER if nodeid.startswith(folder)), super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """Say which tests run in one process, where there are several."""
    return _Sharing(config, log)


def missing(config: pytest.Config) -> dict[str, str]:
    """Return what this machine or this run lacks, by marker."""
    present = {
        "root": (os.geteuid() == 0, "needs root"),
        "fuse": (Path("/dev/fuse").exists(), "needs /dev/fuse"),
        "browser": (shutil.which("chromium") is not None, "needs chromium: apt-get install chromium"),
        "long": (bool(config.getoption("--long")), "a soak: run with --long"),
        "cluster": (bool(config.getoption("--cluster")), "needs a Kubernetes: run with --cluster"),
        "images": (bool(config.getoption("--images")), "builds images: run with --images"),
        "peers": (bool(config.getoption("--peers")), "needs a peer: run with --peers"),
    }
    return {marker: reason for marker, (there, reason) in present.items() if not there}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    absent = missing(config)
    for item in items:
        reasons = [reason for marker, reason in absent.items() if item.get_closest_marker(marker)]
        if reasons:
            item.add_marker(pytest.mark.skip(reason="; ".join(reasons)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the checks of `./bowerbird test` that failed before the tests, where their output has long scrolled away."""
    if failed := os.environ.get("BOWERBIRD_FAILED_CHECKS"):
        terminalreporter.write_line(f"FAILED before the tests, see above: {failed}")
