"""Aladin Lite for the lab: one script and its licence, which npm brings, in a lab's environment beside our own files.

It is under the GPL and no part of Bowerbird: it is not in the repository, and is served as the file that it is.
"""

import shutil
from pathlib import Path

from scripts.folders import replace_folder

FILES = ("dist/aladin.js", "COPYING", "LICENSE")


def place(environment: Path) -> Path:
    """Return the folder in which the lab of an environment looks for it."""
    return environment / "share/bowerbird/aladin-lite"


def install(root: Path, environment: Path) -> None:
    """Copy it from where npm put it, beside the old one, then put it in its place."""
    source, target = root / ".bowerbird/node/node_modules/aladin-lite", place(environment)
    new = target.with_name(f".{target.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    for name in FILES:
        shutil.copy(source / name, new)
    replace_folder(target, new)
