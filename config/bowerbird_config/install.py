"""Where everything of one checkout lies: its environments, its proxy, what the demonstration is made of."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]
_SOURCES = frozenset({".py", ".toml", ".c", ".h"})


@dataclass(frozen=True, slots=True)
class Install:
    """A checkout and what the launcher installed into it.

    `python` stands in for every environment's interpreter where one environment has it all, as that of the tests has.
    """

    root: Path
    python: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Install":
        """Return the checkout that `BOWERBIRD_ROOT` names, or the one that this file lies in."""
        python = environment.get("BOWERBIRD_PYTHON")
        return cls(Path(environment.get("BOWERBIRD_ROOT") or _CHECKOUT), Path(python) if python else None)

    @property
    def base(self) -> Path:
        """What the launcher installed; git ignores it."""
        return self.root / ".bowerbird"

    def environment(self, name: str) -> Path:
        """Return the directory of one environment."""
        return self.base / "envs" / name

    def code_of(self, *members: str) -> str:
        """Return what tells this code of these members from newer code; the same for all where it was not started from a checkout."""
        sources = (file for member in members for file in sorted((self.root / member).rglob("*")))
        told = hashlib.sha256()
        for file in sources:
            if file.suffix in _SOURCES and file.is_file():
                told.update(f"{file.relative_to(self.root)}\0".encode() + file.read_bytes())
        return told.hexdigest()[:16]

    def _python(self, name: str) -> Path:
        return self.python or self.environment(name) / "bin" / "python"

    @property
    def hub_python(self) -> Path:
        """The interpreter of hub and supervisor."""
        return self._python("hub")

    @property
    def fuse_python(self) -> Path:
        """The interpreter of keeper and workers."""
        return self._python("fuse")

    @property
    def lab_python(self) -> Path:
        """The interpreter of single-user servers."""
        return self._python("lab")

    @property
    def cas_python(self) -> Path:
        """The interpreter of the demo CAS server."""
        return self._python("cas")

    @property
    def services_python(self) -> Path:
        """The interpreter of the HTTP services."""
        return self._python("services")

    @property
    def recipe(self) -> Path:
        """The program that makes the demo releases; the lab's interpreter runs it."""
        return self.default_platform.parent / "recipe" / "build.py"

    @property
    def demo_data(self) -> Path:
        """The unpacked packages that the demo releases are made from."""
        return self.base / "demo-data"

    @property
    def node(self) -> Path:
        """The Node that runs the proxy: the one that the launcher chose, else the system's."""
        chosen = self.base / "node" / "bin" / "node"
        return chosen if chosen.exists() else Path(shutil.which("node") or "/usr/bin/node")

    @property
    def proxy_script(self) -> Path:
        """The program of configurable-http-proxy."""
        return self.base / "node" / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy"

    @property
    def proxy_command(self) -> tuple[str, ...]:
        """The argv that starts the proxy; its options follow."""
        return (str(self.node), str(self.proxy_script))

    @property
    def default_platform(self) -> Path:
        """The platform file of the first command."""
        return self.root / "config" / "default" / "platform.yaml"

    @property
    def images(self) -> Path:
        """A folder for each image, with its contract."""
        return self.root / "images"

    @property
    def chart(self) -> Path:
        """The chart that Helm installs on a cluster."""
        return self.root / "helm" / "bowerbird"

    @property
    def default_var(self) -> Path:
        """The state directory where none is named."""
        return self.root / "var"
