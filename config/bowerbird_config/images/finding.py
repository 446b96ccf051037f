"""Which image has what: a word looked for in every contract. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bowerbird_config.images.contract import Contract
from bowerbird_config.profiles import IMAGES

_SUPPLIED, _LACKING = "if supplied", "not there"
# Of these no image says whether they are there.
_ELSEWHERE = (_SUPPLIED, _LACKING)


@dataclass(frozen=True, slots=True)
class Found:
    """A thing that an image has, and the image whose contract says so: itself, or one that it stands on."""

    image: str
    kind: str
    thing: str
    by: str


def find(word: str, known: Mapping[str, Contract]) -> list[Found]:
    """Return where a word is: whole names before parts of longer ones, of which none is said where a whole one is."""
    found = [Found(image, kind, thing, by) for image in known for by in _below(image, known) for kind, thing in things(known[by])]
    whole = [one for one in found if word.casefold() in _whole(one)]
    return whole or [one for one in found if word.casefold() in one.thing.casefold()]


def things(contract: Contract) -> Iterator[tuple[str, str]]:
    """Yield all that a contract names, each with its kind."""
    yield from (("command", name) for name in contract.commands)
    yield from (("module", name) for name in contract.imports)
    yield from (("kernel", name) for name in contract.kernels)
    yield from (("contains", name) for name in contract.contains)
    for name, supplied in contract.supplied.items():
        yield from ((_SUPPLIED, each) for each in (name, *supplied.commands))
    yield from ((_LACKING, name) for name in contract.lacks)


def on_one_machine(found: Iterable[Found], remedies: Mapping[str, str]) -> Iterator[str]:
    """Yield how servers of a platform without a cluster come to what was found, where the lab does not have it.

    `remedies` has the images whose environment a machine may have, each with what brings it; with nothing where it is here.
    """
    things: dict[str, list[str]] = {}
    for by, thing in dict.fromkeys((f.by, f.thing) for f in found if f.kind not in _ELSEWHERE):
        things.setdefault(by, []).append(thing)
    in_lab = things.get(IMAGES["lab"], [])
    for image, remedy in remedies.items():
        names = ", ".join(thing for thing in things.get(image, []) if thing not in in_lab)
        if names:
            yield f"Servers on this machine do not have {names}; {remedy}" if remedy else f"Servers on this machine have {names} too."


def environment_of(name: str, contract: Contract) -> str:
    """Return the environment, as profiles name it, that an image is."""
    return contract.environment or name


def _whole(found: Found) -> tuple[str, ...]:
    name = found.thing.casefold()
    return (name, name.partition(".")[0]) if found.kind == "module" else (name,)


def _below(image: str, known: Mapping[str, Contract]) -> Iterator[str]:
    below: str | None = image
    while below is not None:
        yield below
        below = known[below].stands_on
