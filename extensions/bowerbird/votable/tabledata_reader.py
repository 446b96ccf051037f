"""The words of TABLEDATA as columns."""

import re
from collections.abc import Sequence

import numpy as np

from bowerbird.errors import VOTableError
from bowerbird.votable import texts
from bowerbird.votable.binary_reader import cut, masked
from bowerbird.votable.field import Field
from bowerbird.votable.ragged import Array, offsets

_TRUE = frozenset({"T", "t", "1", "true", "True", "TRUE"})
_FALSE = frozenset({"F", "f", "0", "false", "False", "FALSE"})
_NULL = frozenset({"", "?"})
_INFINITE = {"+Inf": "inf", "Inf": "inf", "-Inf": "-inf", "NaN": "nan", "": "nan"}
_SEPARATOR = re.compile(r"[\s,]+")


def column(field: Field, cells: Sequence[str]) -> Array:
    """Return the cells of a column; an empty one is null."""
    if field.is_text:
        return _text(field, cells)
    if not field.shape.fixed and not field.shape.variable:
        values, mask = elements(field, cells)
        return masked(values, mask)
    words = [_split(field, cell) for cell in cells]
    counts = np.fromiter(map(len, words), np.int64, len(words))
    nulls = np.fromiter((not cell.strip() for cell in cells), bool, len(cells))
    if field.shape.variable:
        return _variable(field, words, counts, nulls)
    return _fixed(field, words, counts, nulls)


def _split(field: Field, cell: str) -> list[str]:
    words = cell.split() if "," not in cell else [word for word in _SEPARATOR.split(cell) if word]
    if field.datatype == "bit":
        return list("".join(words))
    if field.native.kind == "c":
        return [f"{real} {imaginary}" for real, imaginary in zip(words[::2], words[1::2], strict=len(words) % 2 == 0)]
    return words


def _fixed(field: Field, words: list[list[str]], counts: Array, nulls: Array) -> Array:
    size = field.shape.elements
    wrong = np.flatnonzero(~nulls & (counts != size))
    if len(wrong):
        raise VOTableError(f"column {field.name!r}: a cell has {counts[wrong[0]]} elements, arraysize is {field.arraysize}")
    flat = [word for cell in words for word in (cell or [""] * size)]
    values, mask = elements(field, flat)
    mask = mask.reshape(len(words), *field.shape.fixed)
    return masked(values.reshape(mask.shape), mask)


def _variable(field: Field, words: list[list[str]], counts: Array, nulls: Array) -> Array:
    wrong = counts[counts % max(field.shape.elements, 1) != 0]
    if len(wrong):
        raise VOTableError(f"column {field.name!r}: a cell has {wrong[0]} elements, arraysize is {field.arraysize}")
    values, mask = elements(field, [word for cell in words for word in cell])
    held = masked(values, mask) if mask.any() else values
    return masked(cut(held, offsets(counts).tolist(), field.shape.fixed), nulls)


def elements(field: Field, words: Sequence[str]) -> tuple[Array, Array]:
    """Return words as numbers, and which are null."""
    try:
        if field.datatype in ("boolean", "bit"):
            return _logical(words)
        if field.native.kind == "c":
            return _complex(field, words)
        return _floats(field, words) if field.native.kind == "f" else _integers(field, words)
    except (ValueError, OverflowError) as error:
        raise VOTableError(f"column {field.name!r} is {field.datatype}: {error}") from error


def _floats(field: Field, words: Sequence[str]) -> tuple[Array, Array]:
    try:
        values = np.array(list(map(float, words)), dtype=np.float64)
        nulls = np.zeros(len(words), bool)
    except ValueError:
        stripped = [word.strip() for word in words]
        values = np.array([float(_INFINITE.get(word, word)) for word in stripped], dtype=np.float64)
        nulls = np.fromiter((not word for word in stripped), bool, len(words))
    with np.errstate(over="ignore"):
        return values.astype(field.native), nulls


def _integers(field: Field, words: Sequence[str]) -> tuple[Array, Array]:
    try:
        values = list(map(int, words))
        nulls = np.zeros(len(words), bool)
    except ValueError:
        stripped = [word.strip() for word in words]
        nulls = np.fromiter((not word for word in stripped), bool, len(words))
        values = [_integer(word) for word in stripped]
    made = np.array(values, dtype=field.native) if _fits(field, values) else np.zeros(0)
    return made, nulls if field.null is None else nulls | (made == field.null)


def _fits(field: Field, values: list[int]) -> bool:
    limits = np.iinfo(field.native)
    wrong = next((value for value in values if not limits.min <= value <= limits.max), None)
    if wrong is not None:
        raise ValueError(f"{wrong} is beyond its range {limits.min} to {limits.max}")
    return True


def _integer(word: str) -> int:
    if not word:
        return 0
    return int(word, 16) if word.lower().startswith(("0x", "-0x", "+0x")) else int(word)


def _logical(words: Sequence[str]) -> tuple[Array, Array]:
    stripped = [word.strip() for word in words]
    wrong = next((word for word in stripped if word not in _TRUE and word not in _FALSE and word not in _NULL), None)
    if wrong is not None:
        raise ValueError(f"{wrong!r} is neither true nor false")
    true = np.fromiter((word in _TRUE for word in stripped), bool, len(stripped))
    return true, np.fromiter((word in _NULL for word in stripped), bool, len(stripped))


def _complex(field: Field, words: Sequence[str]) -> tuple[Array, Array]:
    half = Field(field.name, "float" if field.datatype == "floatComplex" else "double")
    pairs = [word.replace(",", " ").split() or ["", ""] for word in words]
    wrong = next((pair for pair in pairs if len(pair) != 2), None)  # noqa: PLR2004  a complex number has two parts
    if wrong is not None:
        raise ValueError(f"{' '.join(wrong)!r} has not two parts")
    parts, nulls = _floats(half, [part for pair in pairs for part in pair])
    return parts.view(field.native), nulls[::2]


def _text(field: Field, cells: Sequence[str]) -> Array:
    nulls = np.fromiter((not cell for cell in cells), bool, len(cells))
    axes = len(field.shape.fixed) + field.shape.variable
    if axes <= 1:
        return masked(texts.compact(texts.objects(list(cells))), nulls)
    width = field.shape.fixed[-1] or 1
    single = [[cell[at : at + width].rstrip() for at in range(0, len(cell), width)] for cell in cells]
    if field.shape.variable:
        made = cut(_strings(single), offsets(np.array([len(row) for row in single], np.int64)).tolist(), field.shape.fixed[:-1])
        return masked(made, nulls)
    size = field.shape.elements // width
    if any(len(row) > size for row in single):
        raise VOTableError(f"column {field.name!r}: a cell is longer than its arraysize {field.arraysize}")
    whole = _strings([row + [""] * (size - len(row)) for row in single])
    return masked(whole.reshape(len(cells), *field.shape.fixed[:-1]), nulls)


def _strings(rows: list[list[str]]) -> Array:
    return texts.compact(texts.objects([word for row in rows for word in row]))
