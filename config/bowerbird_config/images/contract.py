"""What an image promises, as its contract.yaml says it."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from bowerbird_config.documents import read_document
from bowerbird_config.model import FROM_FILE, Frozen, FrozenDict, Line, Model, Slug
from bowerbird_config.problems import ConfigError, Problem
from bowerbird_config.sentences import Whole, in_words

FILE = "contract.yaml"

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is no name here; write small letters, digits and '-'")
    return text


def _module(text: str) -> str:
    if not _MODULE.fullmatch(text):
        raise ValueError(f"{text!r} is no module of Python; write it as an import does, like 'astropy.io.fits'")
    return text


def _path(text: str) -> str:
    if not PurePosixPath(text).is_absolute() or ".." in PurePosixPath(text).parts:
        raise ValueError(f"{text!r} is no path in an image; begin it with '/'")
    return text


def _within(text: str) -> str:
    if PurePosixPath(text).is_absolute() or ".." in PurePosixPath(text).parts:
        raise ValueError(f"{text!r} does not lie below the checkout; write a path that begins there")
    return text


Name = Annotated[str, AfterValidator(_name)]
Module = Annotated[str, AfterValidator(_module)]
ImagePath = Annotated[str, AfterValidator(_path)]
CheckoutPath = Annotated[str, AfterValidator(_within)]


class Task(Model):
    """A real piece of work, done in the image on real files."""

    title: Line
    frames: Frozen[Name, CheckoutPath] = Field(
        FrozenDict(), description="by its name in /frames, a file of the checkout or of what the launcher brought"
    )
    files: Frozen[str, str] = Field(FrozenDict(), description="small files that the work begins with, by their name")
    run: tuple[str, ...] = Field(min_length=1, description="the command line")
    leaves: tuple[str, ...] = Field(min_length=1, description="the files that stand in the folder of the work at its end")


class Supplied(Model):
    """What nobody may hand on, so that the admin supplies it."""

    title: Line
    commands: tuple[str, ...] = Field(min_length=1, description="the programs that it brings")
    where: Line = Field(description="where an admin gets it")


class Contract(Model):
    """The promises of one image."""

    contract: Literal[1] = Field(description="the version of this format")
    title: Line
    stands_on: Name | None = Field(None, description="the image that it is made from; Debian where absent")
    environment: Slug | None = Field(None, description="as profiles name it; the name of the image where absent")
    serves: Literal["profiles", "platform"] = Field(description="single-user servers, or a part of the platform itself")
    commands: Frozen[str, tuple[str, ...]] = Field(
        FrozenDict(), description="programs on PATH, with the arguments by which each shows that it runs"
    )
    imports: tuple[Module, ...] = Field((), description="modules that Python imports")
    kernels: tuple[Name, ...] = Field((), description="kernels of Jupyter that start and answer")
    files: tuple[ImagePath, ...] = ()
    links: Frozen[ImagePath, ImagePath] = Field(FrozenDict(), description="links, with where each leads")
    contains: tuple[Line, ...] = Field((), description="what else a person may look for, beside commands and modules")
    lacks: tuple[Line, ...] = Field((), description="what a person may expect and does not find")
    debian: tuple[Name, ...] = Field((), description="Debian's packages with which servers of one machine have the commands too")
    supplied: Frozen[Name, Supplied] = Field(FrozenDict(), description="what is there only where the admin brought it")
    tasks: tuple[Task, ...] = ()


CONTRACT_FILE = Whole(Contract, "the contract of an image")


def load_contract(path: Path) -> Contract:
    """Return what the file promises; ConfigError with every problem where it is wrong."""
    document = read_document(path)
    problems: list[Problem] = document.problems
    if problems:
        raise ConfigError(problems)
    tree: dict[str, Any] = document.value if isinstance(document.value, dict) else {}
    try:
        return Contract.model_validate(tree, context=FROM_FILE)
    except ValidationError as error:
        raise ConfigError(in_words(error.errors(), tree, document.places, CONTRACT_FILE)) from error


def contracts(folder: Path) -> Mapping[str, Contract]:
    """Return every contract below `images/`, by the name of its image, each after the one that it stands on."""
    found = {file.parent.name: load_contract(file) for file in sorted(folder.glob(f"*/{FILE}"))}
    return {name: found[name] for name in sorted(found, key=lambda name: (_depth(name, found), name))}


def _depth(name: str, found: Mapping[str, Contract]) -> int:
    below = found[name].stands_on
    if below is None:
        return 0
    if below not in found:
        raise ValueError(f"the image '{name}' stands on '{below}', which has no folder below images/")
    return 1 + _depth(below, found)
