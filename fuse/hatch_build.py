"""Compiles the native companion when the package is built or installed: one shared object beside the package."""

import runpy
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "libbowerbird_fuse.so"
_FLAGS = ("-std=c11", "-O2", "-fPIC", "-shared", "-pthread", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror")


class Companion(BuildHookInterface[Any]):
    """Compiles the C sources against libfuse, which pyfuse3's own build needs as well."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and put the result into the wheel; an editable one has the sources' folder only by its path."""
        made = Path(self.directory) / NAME
        made.parent.mkdir(parents=True, exist_ok=True)
        _compile(Path(self.root) / "bowerbird_fuse", made)
        files = build_data["force_include_editable" if version == "editable" else "force_include"]
        files[str(made)] = NAME
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


def _compile(package: Path, made: Path) -> None:
    found = subprocess.run(["pkg-config", "--cflags", "--libs", "fuse3"], check=True, capture_output=True, text=True)
    files = sorted(map(str, (package / "native").glob("*.c")))
    # The package itself needs more than there is while it is built.
    digest = runpy.run_path(str(package / "sources.py"))["digest"]()
    subprocess.run(["gcc", *_FLAGS, f'-DSOURCES="{digest}"', "-o", str(made), *files, *found.stdout.split()], check=True)
