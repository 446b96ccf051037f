"""The demo releases of the first start: made by the recipe of the checkout, beside the platform and not before it."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bowerbird_config.ingests import program
from bowerbird_config.install import Install
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_hub.state.state_files import read_json, write_json


@dataclass(frozen=True, slots=True)
class DemoReleases:
    """The releases of a platform that the recipe makes, and where they belong."""

    install: Install
    var: Var
    releases: tuple[str, ...]

    @property
    def made(self) -> bool:
        """Tell whether all of them are there as this recipe makes them."""
        known = read_json(self._note).get("recipe")
        return known == self._recipe() and all((self.var.releases / release).is_dir() for release in self.releases)

    @property
    def _note(self) -> Path:
        return self.var.cache / "demo-releases.json"

    @property
    def log(self) -> Path:
        """What the recipe said."""
        return self.var.logs / "demo-releases.log"

    def _recipe(self) -> str:
        digest = hashlib.sha256()
        for path in sorted(self.install.recipe.parent.rglob("*.py")):
            digest.update(path.read_bytes())
        return digest.hexdigest()

    async def make(self, say: Callable[[str], None], environment: Mapping[str, str]) -> str | None:
        """Make what is missing; returns what went wrong. When cancelled the recipe stops, and goes on from there next time."""
        last = ""

        def heard(line: str) -> None:
            nonlocal last
            last = line.removeprefix("releases: ")
            say(last)

        status = await program.run(self.command(), self.log, heard, environment)
        if status:
            return f"{last or f'ended with exit status {status}'}; log: {self.log}"
        write_json(self._note, {"recipe": self._recipe()})
        return None

    def command(self) -> tuple[str, ...]:
        """Return the recipe's argv."""
        options = ("--releases", str(self.var.releases), "--downloads", str(self.install.demo_data))
        return (str(self.install.lab_python), str(self.install.recipe), *options)


def demo_releases(install: Install, var: Var, platform: Platform, default: Platform) -> DemoReleases:
    """Return the releases of the default platform that this one has too, and that no directory of its own stands in for."""
    asked = [
        f"{collection}/{release}"
        for collection, known in default.collections.items()
        if collection in platform.collections
        for release in known.releases
        if release in platform.collections[collection].releases and f"{collection}/{release}" not in platform.storage.releases
    ]
    return DemoReleases(install, var, tuple(asked))
