"""Profiles: the choices of server, and who may choose them."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from bowerbird_config.model import Frozen, FrozenDict, Line, Model, Size, Slug

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What a server's start sets itself; a profile that set it would take away a person's own identity or home.
_RESERVED = re.compile(r"JUPYTERHUB_.*|BOWERBIRD_.*|LD_.*|HOME|USER|LOGNAME|PATH|SHELL")

# The environments that a profile may name wherever the platform runs, each with its image below images/.
IMAGES = {"lab": "base", "eso": "eso", "aat": "aat"}


def _variable(name: str) -> str:
    if _VARIABLE.fullmatch(name) is None:
        raise ValueError(f"{name!r} cannot name an environment variable; write letters, digits and '_'")
    if _RESERVED.fullmatch(name):
        raise ValueError(f"{name!r} is set by the platform itself; choose another name")
    return name


def _kind(raw: Any) -> str:
    return "everyone" if isinstance(raw, str) else "teams"


def _everyone(raw: str) -> str:
    if raw != "everyone":
        raise ValueError(f"{raw!r} is not 'everyone'; write 'everyone', or a list of teams: [{raw}]")
    return raw


Audience = Annotated[
    Annotated[Literal["everyone"], BeforeValidator(_everyone), Tag("everyone")]
    | Annotated[tuple[Slug, ...], Field(min_length=1), Tag("teams")],
    Discriminator(_kind),
]


class Profile(Model):
    """A choice of server: an environment, its limits, and the teams it is for."""

    title: Line
    description: str = ""
    environment: Slug = Field("lab", description="the environment of this machine, or the image, that the server runs in")
    memory: Size
    cpu: float = Field(gt=0, le=4096, strict=True, description="processor cores; 0.5 is half of one")
    processes: int = Field(512, gt=0, le=4_194_304, strict=True, description="processes and threads at once")
    teams: Audience = Field(description="`everyone` who is signed in, or a list of teams")
    contains: tuple[Line, ...] = Field((), description="what is in the environment, for the form")
    variables: Frozen[Annotated[str, AfterValidator(_variable)], str] = Field(
        FrozenDict(), description="environment variables of the server"
    )
