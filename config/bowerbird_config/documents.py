"""YAML files as plain values with the line of each: one file at a time, nothing executed, every limit kept."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bowerbird_config.problems import Place, Problem, Steps

MAX_BYTES = 1 << 20
MAX_VALUES = 200_000
MAX_DEPTH = 50

_TAG = "tag:yaml.org,2002:"
_START = "start it with 'bowerbird: 1', or copy config/default/platform.yaml, which './bowerbird up' starts with"
_READ: Mapping[str, Callable[[str], Any]] = {
    f"{_TAG}null": lambda _text: None,
    f"{_TAG}bool": lambda text: {"true": True, "false": False}[text.lower()],
    f"{_TAG}int": int,
    f"{_TAG}float": float,
    f"{_TAG}str": str,
}
_PLAIN_TAGS = (*_READ, f"{_TAG}map", f"{_TAG}seq")
# Control characters, half characters and none, and those that reorder what stands around them; written as escapes they pass YAML.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain scalars: `no` is a text, and so is a date, which our own types read."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # PyYAML's own shape


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]{1,18}\Z"), list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]{1,18}\.[0-9]{0,18}\Z"), list("-+0123456789"))


@dataclass(frozen=True, slots=True)
class Document:
    """A file's value, the place of each part of it, and what is wrong with it as YAML."""

    file: Path
    value: Any = None
    places: dict[Steps, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read_document(file: Path, when_empty: str = _START) -> Document:
    """Read one file; what cannot be read is a problem of the document, never an exception. An empty one has that remedy."""
    document = Document(file)
    text = _text(document)
    if text is None:
        return document
    node = _compose(document, text, when_empty)
    if node is None:
        return document
    return Document(file, _Builder(document).value(node, ()), document.places, document.problems)


def _say(document: Document, line: int, what: str, remedy: str) -> None:
    document.problems.append(Problem(Place(document.file, line), what, remedy))


def _text(document: Document) -> str | None:
    try:
        raw = _bytes(document.file)
    except OSError as error:
        _say(document, 1, f"the file cannot be read ({error.strerror})", "give the path of a file that you may read")
        return None
    if len(raw) > MAX_BYTES:
        _say(document, 1, "the file is larger than 1 MiB", "a platform file is a description; is this the right file?")
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _say(document, raw.count(b"\n", 0, error.start) + 1, "the file is not UTF-8 here", "save it as UTF-8")
        return None
    return None if _unprintable(document, text) else text


def _bytes(file: Path) -> bytes:
    if file.exists() and not file.is_file():
        raise OSError(0, "it is not a file")
    with file.open("rb") as stream:
        return stream.read(MAX_BYTES + 1)


def _unprintable(document: Document, text: str) -> bool:
    lines = [number for number, line in enumerate(text.split("\n"), 1) if _UNSEEN.search(line.rstrip("\r"))]
    for number in lines:
        _say(document, number, "an unseen control character is in this line", "remove it")
    return bool(lines)


def _tabs(document: Document, text: str, last: int) -> bool:
    """Say which lines up to the one where the parser stopped begin with a tab."""
    lines = [number for number, line in enumerate(text.split("\n")[:last], 1) if re.match(r" *\t", line)]
    for number in lines:
        _say(document, number, "a tab indents this line", "YAML takes spaces only: write two spaces for each step")
    return bool(lines)


def _compose(document: Document, text: str, when_empty: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
    except RecursionError:
        _say(document, 1, "the file is nested too deeply", f"a platform file has less than {MAX_DEPTH} levels")
        return None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        about = f"{error.context}, " if error.context else ""
        if not _tabs(document, text, line):
            _say(document, line, f"this is not YAML ({about}{error.problem})", _remedy(error))
        return None
    finally:
        loader.dispose()
    if node is None or node.tag == f"{_TAG}null":
        _say(document, 1, "the file is empty", when_empty)
        return None
    return node


def _remedy(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or ""
    if "mapping values are not allowed" in problem:
        return "indent the lines of one mapping alike, and put a text with ': ' in quotes"
    if r"'\t'" in problem:
        return "write spaces instead of tabs"
    if "cannot start any token" in problem:
        return "put the text in quotes"
    if "another document" in problem:
        return "keep one document a file, without '---' between"
    if "alias" in problem:
        return "define it with '&' before, or put the text in quotes"
    return "look at this line and the one above: brackets, quotes, indentation"


class _Builder:
    """Nodes to plain values, with the place of each."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._open: list[yaml.Node] = []
        self._count = 0

    def value(self, node: yaml.Node, steps: Steps) -> Any:
        """Return the value of a node, None for what is wrong, which is said."""
        self._count += 1
        self._document.places.setdefault(steps, self._place(node))
        wrong = self._wrong(node)
        if wrong:
            self._say(node, *wrong)
            return None
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, steps)
            if isinstance(node, yaml.SequenceNode):
                return self._sequence(node, steps)
            return self._scalar(node)
        finally:
            self._open.pop()

    def _wrong(self, node: yaml.Node) -> tuple[str, str] | None:
        if self._count > MAX_VALUES:
            # Said once: what follows is skipped without a word.
            return ("the aliases of this file unfold to too many values", "write them out") if self._count == MAX_VALUES + 1 else None
        if any(node is parent for parent in self._open):
            return "this alias contains itself", "write the value out"
        if len(self._open) > MAX_DEPTH:
            return "this is nested too deeply", f"a platform file has less than {MAX_DEPTH} levels"
        if node.tag not in _PLAIN_TAGS:
            return f"the tag {node.tag.replace(_TAG, '!!')!r} is not for platform files", "write a plain value"
        return None

    def _mapping(self, node: yaml.MappingNode, steps: Steps) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, below in self._within_limit(node.value):
            if not isinstance(key, yaml.ScalarNode) or key.tag != f"{_TAG}str":
                shown = key.value if isinstance(key, yaml.ScalarNode) else "a mapping or list"
                self._say(key, f"the key {shown!r} is not a text", "put it in quotes" if key.id == "scalar" else "write a name")
            elif key.value in found:
                first = self._document.places[(*steps, key.value)]
                self._say(key, f"the key {key.value!r} stands twice, first in line {first.line}", "remove one of them")
            elif key.value == "<<":
                self._say(key, "merging mappings with '<<' is not for platform files", "write the keys out")
            else:
                self._document.places[(*steps, key.value)] = self._place(key)
                found[key.value] = self.value(below, (*steps, key.value))
        return found

    def _sequence(self, node: yaml.SequenceNode, steps: Steps) -> list[Any]:
        return [self.value(below, (*steps, number)) for number, below in enumerate(self._within_limit(node.value))]

    def _within_limit(self, parts: list[Any]) -> Iterator[Any]:
        for part in parts:
            if self._count > MAX_VALUES:
                return
            yield part

    def _scalar(self, node: yaml.Node) -> Any:
        try:
            value = _READ[node.tag](node.value)
        except (ValueError, KeyError):
            self._say(node, f"{node.value!r} is not a value of {node.tag.replace(_TAG, '!!')}", "write a plain value")
            return None
        bad = _UNSEEN.search(value) if isinstance(value, str) else None
        if bad:
            self._say(node, f"the text holds the unseen character {bad[0]!a}", "remove it")
        return None if bad else value

    def _place(self, node: yaml.Node) -> Place:
        return Place(self._document.file, node.start_mark.line + 1)

    def _say(self, node: yaml.Node, what: str, remedy: str) -> None:
        self._document.problems.append(Problem(self._place(node), what, remedy))
