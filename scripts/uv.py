"""uv, which installs every Python package here: brought by pip with its hash, obeying the machine's own pip settings."""

import ast
import os
import shutil
import sys
from pathlib import Path

from scripts.running import Log

# uv's own words for what a machine may have said to pip.
PIP_SETTINGS = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "cert": "SSL_CERT_FILE", "find-links": "UV_FIND_LINKS"}


class Uv:
    """The private uv of a checkout."""

    def __init__(self, root: Path, log: Log) -> None:
        self.root = root
        self.folder = root / ".bowerbird/tools"
        self.log = log

    def bring(self) -> None:
        """Install uv below the checkout, with the hash of requirements/tools.txt."""
        venv = self.folder / "pip"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.log.run([sys.executable, "-m", "venv", str(venv)])
        requirements = str(self.root / "requirements/tools.txt")
        options = ("--retries", "2", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:")
        self.log.run([str(venv / "bin/python"), "-m", "pip", "install", *options, "-r", requirements])
        os.replace(venv / "bin/uv", self.folder / "uv")

    def environment(self) -> dict[str, str]:
        """Return what uv needs to know: no Python of its own, and the machine's pip settings."""
        return {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", **self._machine()}

    def _machine(self) -> dict[str, str]:
        said = self.log.run([str(self.folder / "pip/bin/python"), "-m", "pip", "config", "list"])
        found: dict[str, str] = {}
        for line in said.splitlines():
            name, _, value = line.partition("=")
            words = PIP_SETTINGS.get(name.rpartition(".")[2])
            if words and value:
                found[words] = " ".join(str(ast.literal_eval(value)).split())
        return {words: value for words, value in found.items() if words not in os.environ and _usable(words, value)}

    def make(self, environment: Path) -> None:
        """Make an empty environment of the Python that runs us; its programs bear being moved."""
        self._run("venv", "--quiet", "--clear", "--relocatable", "--python", sys.executable, str(environment))

    def install(self, environment: Path, *arguments: str) -> None:
        """Install into an environment; whatever has to be built is built with the tools of requirements/build.txt."""
        python = ("--python", str(environment / "bin/python"))
        self._run("pip", "install", *python, "--compile-bytecode", *self._hashed(), *arguments)

    def unpack(self, folder: Path, requirements: Path, *foreign: str) -> None:
        """Unpack wheels into a folder of their own, without anything they depend on."""
        options = ("--python", sys.executable, "--no-deps", "--require-hashes", "--only-binary", ":all:", "--target", str(folder))
        self._run("pip", "install", *options, *foreign, "-r", str(requirements))

    def _hashed(self) -> tuple[str, ...]:
        return ("--require-build-hashes", "--build-constraints", str(self.root / "requirements/build.txt"))

    def _run(self, *arguments: str) -> None:
        self.log.run([str(self.folder / "uv"), *arguments], self.environment(), cwd=self.root)


def _usable(words: str, value: str) -> bool:
    """Tell whether uv bears the setting: it refuses a folder of wheels that is not there, where pip shrugs."""
    return words != "UV_FIND_LINKS" or "://" in value or Path(value).is_dir()
