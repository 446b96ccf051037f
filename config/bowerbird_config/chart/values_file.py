"""A values file as Values, or everything that is wrong with it at once; and the values that belong to a platform file."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bowerbird_config.crosschecks import findings
from bowerbird_config.documents import Document, read_document
from bowerbird_config.load import ordered, resolved
from bowerbird_config.load import places as places_of
from bowerbird_config.model import FROM_FILE
from bowerbird_config.platform import KUBERNETES
from bowerbird_config.problems import ConfigError, Finding, Place, Problem, Steps
from bowerbird_config.sentences import Whole, in_words, located
from bowerbird_config.values import Values, misfits

VALUES_FILE = Whole(Values, "the values file")
# Of one machine: a cluster has its own.
_MACHINE_PARTS = ("runtime", "storage")
_ALONE = "this is a platform file, which does not say what the cluster has"
_BESIDE = "name a values file with ingress, data and users too: -f cluster.yaml (docs/k3s.md has one)"
_BEGIN = "begin its lines with keys such as 'platform:'"
# Go's YAML takes these for truth values where they stand without quotes, and our platform file for texts.
_TRUTHS = frozenset({"y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF"})


def load_values(*paths: Path) -> Values:
    """Return the values that the files give together; ConfigError with every problem."""
    return read_values(*paths)[0]


def read_values(*paths: Path) -> tuple[Values, dict[str, Any]]:
    """Return the values that the files give together, and what is written in them, for Helm; ConfigError with every problem.

    A platform file goes under `platform:`; what stands in a later file goes before what stands in an earlier one, as with Helm.
    """
    tree: dict[str, Any] = {}
    places: dict[Steps, Place] = {(): Place(next(filter(is_values, paths), paths[0]), 1)}
    problems: list[Problem] = []
    for path in paths:
        document = _read(path)
        problems += document.problems
        places |= {steps: place for steps, place in document.places.items() if steps}
        tree = _joined(tree, document.value) if isinstance(document.value, dict) else tree
    if not problems and tree.keys() == {"platform"} and not any(map(is_values, paths)):
        raise ConfigError([Problem(places[()], _ALONE, _BESIDE)])
    values, found = _validate(tree, places)
    said = {problem.place for problem in problems}
    problems += [problem for problem in found if problem.place not in said]
    if problems or values is None:
        raise ConfigError(ordered(problems))
    return values, tree


def is_values(path: Path) -> bool:
    """Tell whether a file is one of values, and not a platform file."""
    found = read_document(path).value
    return not isinstance(found, dict) or "bowerbird" not in found


def _read(path: Path) -> Document:
    if not is_values(path):
        return Document(path, {"platform": values_of(path)}, {("platform", *steps): place for steps, place in places_of(path).items()})
    document = read_document(path, _BEGIN)
    if document.problems:
        return document
    wrong = list(_read_otherwise(path))
    if not isinstance(document.value, dict):
        wrong.append(Problem(Place(path, 1), "the file is not a mapping", _BEGIN))
    return Document(path, document.value, document.places, wrong)


def _joined(under: Any, over: Any) -> Any:
    """Return two trees as Helm joins them: mappings key by key, all else by what is over."""
    if not isinstance(under, dict) or not isinstance(over, dict):
        return over
    return {**under, **{key: _joined(under[key], part) if key in under else part for key, part in over.items()}}


def values_of(platform_file: Path) -> dict[str, Any]:
    """Return what goes under `platform:` for a right platform file: all that it includes, less what is of one machine."""
    tree = {key: part for key, part in resolved(platform_file).items() if key not in _MACHINE_PARTS}
    return {key: _without_nothing(part) for key, part in tree.items()} | {"runtime": {"kind": KUBERNETES}}


def values_text(platform_file: Path) -> str:
    """Return the values file of a platform file, for Helm to take beside one with what the cluster has."""
    head = f"# The platform of {platform_file.name} as values of the chart. Edit that file; 'bowerbird render --values' writes this one.\n"
    told = {"platform": values_of(platform_file)}
    return head + yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=120)


def _without_nothing(part: Any) -> Any:
    """Leave out what is null, since Helm drops it; where it means "never", say so."""
    if isinstance(part, dict):
        told = {key: "never" if key == "idle" and below is None else below for key, below in part.items()}
        return {key: _without_nothing(below) for key, below in told.items() if below is not None}
    return [_without_nothing(below) for below in part] if isinstance(part, list) else part


def _read_otherwise(path: Path) -> Iterator[Problem]:
    """Yield the texts that Helm would take for truth values."""
    for token in yaml.scan(path.read_text(encoding="utf-8-sig")):
        if isinstance(token, yaml.ScalarToken) and token.plain and token.value in _TRUTHS:
            what = f"Helm takes {token.value!r} for a truth value where it stands without quotes"
            yield Problem(Place(path, token.start_mark.line + 1), what, f"write '{token.value}', or true or false")


def _nulls(tree: Any, steps: Steps = ()) -> Iterator[Finding]:
    """Yield what is null: Helm would put the chart's own value there, or none."""
    below = tree.items() if isinstance(tree, Mapping) else enumerate(tree) if isinstance(tree, list) else ()
    for step, part in below:
        if part is None:
            remedy = "write 'never'" if step == "idle" else "write a value, or remove the line"
            yield Finding((*steps, step), f"Helm drops {'.'.join(map(str, (*steps, step)))}, which is null", remedy)
        yield from _nulls(part, (*steps, step))


def _platform_findings(tree: Mapping[str, Any]) -> Iterator[Finding]:
    for finding in findings(tree.get("platform")):
        yield Finding(("platform", *finding.steps), finding.what, finding.remedy)


def _of_parts(error: ValidationError) -> list[ErrorDetails]:
    """Return the errors but that of the whole platform, whose findings are told with their lines."""
    return [details for details in error.errors() if details["loc"] != ("platform",) or details["type"] != "value_error"]


def _validate(tree: dict[str, Any], places: Mapping[Steps, Place]) -> tuple[Values | None, list[Problem]]:
    nulls = [located(finding, places) for finding in _nulls(tree)]
    problems = [*nulls, *(located(finding, places) for finding in (*_platform_findings(tree), *misfits(tree)))]
    try:
        return Values.model_validate(tree, context=FROM_FILE), problems
    except ValidationError as error:
        said = {problem.place for problem in nulls}
        problems += [problem for problem in in_words(_of_parts(error), tree, places, VALUES_FILE) if problem.place not in said]
        if not problems:
            problems.append(Problem(places[()], str(error.errors()[0]["msg"]), "this is a fault of ours, not of the file: report it"))
        return None, problems
