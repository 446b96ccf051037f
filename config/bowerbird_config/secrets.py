"""Secrets: the platform file names them, a file or the environment holds them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints

from bowerbird_config.model import Model

_PREFIX = "BOWERBIRD_SECRET_"


class SecretMissing(LookupError):
    """A secret that the platform file names is nowhere; the text says where it is looked for."""


class SecretName(Model):
    """A secret by its name: written ``{secret: cas-key}``, never as the secret itself."""

    secret: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")] = Field(
        description="a file of var/secrets, or BOWERBIRD_SECRET_ and the name in capitals"
    )

    def read(self, directory: Path, environment: Mapping[str, str] = os.environ) -> SecretStr:
        """Return the secret: of the environment if it is there, else of the file, less one line end.

        Raises SecretMissing where it is neither, is empty, or others may read the file.
        """
        variable = _PREFIX + self.secret.upper().replace("-", "_")
        file = directory / self.secret
        value = environment.get(variable) or _content(file)
        if not value:
            raise SecretMissing(f"secret {self.secret!r} is missing; write it to {file} (0600) or set {variable}")
        return SecretStr(value)


def _content(file: Path) -> str:
    try:
        if file.stat().st_mode & 0o077:
            raise SecretMissing(f"others may read {file}; run: chmod 600 '{file}'")
        return file.read_text().removesuffix("\n")
    except FileNotFoundError:
        return ""
