"""A platform file and those that it includes, as a Platform; or everything that is wrong with them, at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bowerbird_config.crosschecks import findings
from bowerbird_config.documents import Document, read_document
from bowerbird_config.model import FROM_FILE
from bowerbird_config.platform import Platform
from bowerbird_config.pod_settings import PodSettings
from bowerbird_config.problems import ConfigError, Finding, Place, Problem, Steps
from bowerbird_config.sentences import in_words, located

__all__ = ["ConfigError", "load", "load_pod_settings", "ordered", "places", "resolved", "sources"]

_MAX_FILES = 100
_INCLUDE = "include"


def load(path: Path) -> Platform:
    """Return the platform that the file describes; ConfigError with every problem where it does not."""
    tree, places, problems, whole = _merge(_read(path).documents)
    if not whole:  # what is missing may stand in what could not be read
        raise ConfigError(ordered(problems))
    platform, found = _validate(tree, places)
    said = {problem.place for problem in problems}
    problems += [problem for problem in found if problem.place not in said]
    if problems or platform is None:
        raise ConfigError(ordered(problems))
    return platform


def load_pod_settings(path: Path) -> PodSettings:
    """Return what the file says of user pods; ConfigError with every problem where it is wrong."""
    document = read_document(path)
    if document.problems:
        raise ConfigError(ordered(document.problems))
    try:
        return PodSettings.model_validate(document.value, context=FROM_FILE)
    except ValidationError as error:
        raise ConfigError(ordered([_of_pods(details, document.places) for details in error.errors()])) from error


def _of_pods(details: ErrorDetails, places: Mapping[Steps, Place]) -> Problem:
    """Say what is wrong in a file that the chart wrote: it is mended in the values, which are checked with more words."""
    steps = tuple(details["loc"])
    what, _, remedy = details["msg"].removeprefix("Value error, ").partition("; ")
    dotted = ".".join(map(str, steps)) or "the file"
    return located(Finding(steps, f"{dotted}: {what}", remedy or "mend the values that this file was made from"), places)


def sources(path: Path) -> tuple[Path, ...]:
    """Return the file and all that it includes, readable or not: what to watch for a change."""
    return tuple(_read(path).files)


def places(path: Path) -> Mapping[Steps, Place]:
    """Return where each part of a right file is written, in it or in what it includes."""
    return _merge(_read(path).documents)[1]


def resolved(path: Path) -> dict[str, Any]:
    """Return a platform file and all that it includes as one tree, as it is written; ConfigError where it is wrong."""
    load(path)
    return _merge(_read(path).documents)[0]


def ordered(problems: list[Problem]) -> list[Problem]:
    """Order by line, files in the order in which they are read, each said once."""
    files = list(dict.fromkeys(problem.place.file for problem in problems))
    return sorted(dict.fromkeys(problems), key=lambda problem: (files.index(problem.place.file), problem.place.line))


def _read(path: Path) -> "_Reading":
    reading = _Reading()
    reading.read(path, ())
    return reading


@dataclass
class _Reading:
    """The documents read so far, the including before the included, and every file that was asked for."""

    documents: list[Document] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    _places: dict[Path, str] = field(default_factory=dict)

    def read(self, file: Path, above: tuple[Path, ...]) -> None:
        document = read_document(file)
        self.documents.append(document)
        self.files.append(file)
        for name, place in _includes(document):
            included = file.parent / name
            wrong = self._wrong(name, included, (*above, file))
            if wrong:
                self.files += [] if included in self.files else [included]
                document.problems.append(Problem(place, *wrong))
            else:
                self._places[included.resolve()] = str(place)
                self.read(included, (*above, file))

    def _wrong(self, name: str, included: Path, above: tuple[Path, ...]) -> tuple[str, str] | None:
        if Path(name).is_absolute():
            return f"the included {name!r} is a path of one machine", "write it relative to this file"
        if included.resolve() in [file.resolve() for file in above]:
            return f"{name!r} includes this file in turn", "remove one of the two includes"
        if included.resolve() in self._places:
            return f"{name!r} is included already, in {self._places[included.resolve()]}", "remove one of the two includes"
        if not included.exists():
            return f"the included file {name!r} does not exist", "give a path relative to this file"
        if len(self.documents) >= _MAX_FILES:
            return f"more than {_MAX_FILES} files are included", "join some of them"
        return None


def _includes(document: Document) -> Iterator[tuple[str, Place]]:
    """Yield the names that a document includes; what else stands there is a problem."""
    if not isinstance(document.value, dict) or _INCLUDE not in document.value:
        return
    names = document.value[_INCLUDE]
    if not isinstance(names, list):
        place = document.places[(_INCLUDE,)]
        document.problems.append(Problem(place, "'include' is not a list", "write a list of files: include: [teams.yaml]"))
        return
    for number, name in enumerate(names):
        place = document.places[(_INCLUDE, number)]
        if isinstance(name, str) and name:
            yield name, place
        else:
            document.problems.append(
                Problem(place, "'include' names something that is no file", "write a list of files: include: [teams.yaml]")
            )


def _merge(documents: list[Document]) -> tuple[dict[str, Any], dict[Steps, Place], list[Problem], bool]:
    """Return the documents as one tree; mappings of one name are joined, and what is defined twice is a problem."""
    tree: dict[str, Any] = {}
    places: dict[Steps, Place] = {(): Place(documents[0].file, 1)}
    problems = [problem for document in documents for problem in document.problems]
    for document in documents:
        if isinstance(document.value, dict):
            taken = set(_take(document, tree, places, problems))
            places.update(
                {steps: place for steps, place in document.places.items() if {steps[:1], steps[:2]} & taken and steps not in places}
            )
        elif document.value is not None or not document.problems:
            place = document.places.get((), Place(document.file, 1))
            problems.append(Problem(place, "the file is not a mapping", "begin its lines with keys such as 'teams:'"))
    return tree, places, problems, all(isinstance(document.value, dict) for document in documents)


def _take(document: Document, tree: dict[str, Any], places: dict[Steps, Place], problems: list[Problem]) -> Iterator[Steps]:
    """Put what a document defines into the tree and yield where; what is there already is a problem."""
    for key, value in document.value.items():
        there = tree.get(key)
        if key == _INCLUDE:
            continue
        if key not in tree:
            tree[key] = dict(value) if isinstance(value, dict) else value
            yield (key,)
        elif isinstance(there, dict) and isinstance(value, dict):
            problems += [_twice(document.places[key, name], f"{key}.{name}", places[key, name]) for name in value if name in there]
            fresh = {name: below for name, below in value.items() if name not in there}
            there.update(fresh)
            yield from ((key, name) for name in fresh)
        else:
            problems.append(_twice(document.places[(key,)], key, places[(key,)]))


def _twice(second: Place, name: str, first: Place) -> Problem:
    return Problem(second, f"{name!r} is defined here and in {first}", "remove one of the two")


def _validate(tree: dict[str, Any], places: dict[Steps, Place]) -> tuple[Platform | None, list[Problem]]:
    problems = [located(finding, places) for finding in findings(tree)]
    try:
        return Platform.model_validate(tree, context=FROM_FILE), problems
    except ValidationError as error:
        problems += in_words(error.errors(), tree, places)
        if not problems:
            problems.append(Problem(places[()], str(error.errors()[0]["msg"]), "this is a fault of ours, not of the file: report it"))
        return None, problems
