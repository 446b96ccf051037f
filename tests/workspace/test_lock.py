"""The committed requirements fit what they were made from, and hold hashes but no addresses."""

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest

from scripts import inputs, lock

ROOT = Path(__file__).parents[2]
FILES = [*(f"{group}.txt" for group in lock.GROUPS), "demo.txt"]
PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>\S+)(?: ; (?P<marker>.*?))? \\$")


def requirements(file: str) -> list[str]:
    """Return a requirements file's entries, each with its hashes, on one line each."""
    text = (ROOT / "requirements" / file).read_text()
    return [line for line in text.replace("\\\n", "\\").splitlines() if not line.startswith("#")]


def test_requirements_were_made_from_the_present_dependencies():
    recorded = (ROOT / "requirements/inputs.sha256").read_text().strip()
    assert inputs.digest(ROOT) == recorded, "a dependency list changed: run scripts/lock and commit what it writes"


def change(checkout: Path, file: str, old: str, new: str) -> None:
    text = (checkout / file).read_text()
    assert old in text
    (checkout / file).write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("hub/pyproject.toml", '"jupyterhub==', '"left-pad", "jupyterhub=='),
        ("pyproject.toml", "django~=5.2.0", "django~=5.2.1"),
        ("fuse/pyproject.toml", 'requires = ["hatchling"]', 'requires = ["hatchling>=1"]'),
        ("package.json", '"configurable-http-proxy": "', '"configurable-http-proxy": "^'),
        ("requirements/demo.in", "mpdaf==", "mpdaf>="),
    ],
)
def test_a_changed_dependency_makes_the_requirements_stale(bare_checkout, file, old, new):
    before = inputs.digest(bare_checkout)
    change(bare_checkout, file, old, new)
    assert inputs.digest(bare_checkout) != before


def test_a_changed_setting_of_a_linter_does_not(bare_checkout):
    before = inputs.digest(bare_checkout)
    change(bare_checkout, "pyproject.toml", "line-length = 140", "line-length = 141")
    change(bare_checkout, "hub/pyproject.toml", 'description = "', 'description = "New: ')
    assert inputs.digest(bare_checkout) == before


@pytest.mark.parametrize("file", FILES)
def test_each_requirement_is_pinned_and_hashed(file):
    entries = requirements(file)
    assert entries
    for entry in entries:
        assert re.match(r"^[a-z0-9][a-z0-9._-]*==\S+ .*--hash=sha256:[0-9a-f]{64}", entry), entry


@pytest.mark.parametrize("file", [*(f"requirements/{name}" for name in FILES), "package-lock.json", "pyproject.toml"])
def test_no_address_of_a_package_server_is_committed(file):
    assert not re.search(r'"resolved"|index-url|find-links|registry\s*=|files\.|@ https?:', (ROOT / file).read_text())


def test_all_environments_come_from_one_resolution():
    versions = defaultdict(set)
    for file in FILES:
        for line in (ROOT / "requirements" / file).read_text().splitlines():
            if pin := PIN.match(line):
                versions[pin["name"], pin["marker"]].add(pin["version"])
    assert len(versions) > 100
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_every_package_of_the_proxy_is_hashed():
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    hashed = {name: entry.get("integrity", "") for name, entry in packages.items() if name}
    assert "node_modules/configurable-http-proxy" in hashed
    assert all(integrity.startswith("sha512-") for integrity in hashed.values())
