"""Text columns: numpy's strings and Python's, to and from the bytes of a VOTable."""

import itertools
from typing import Any

import numpy as np

from bowerbird.errors import VOTableError
from bowerbird.votable.field import Field
from bowerbird.votable.ragged import Array, Ragged, filled

_ASCII_END = 128
_SURROGATES = (0xD800, 0xE000)
# A column of strings becomes one block of memory as long as that is not much more than its characters.
_SPARE = 16
_SPARE_FACTOR = 4


def encoding(field: Field) -> str:
    """Return the encoding of a text column: UTF-8 has ASCII's bytes for ASCII, as `char` asks."""
    return "utf-8" if field.datatype == "char" else "utf-16-be"


def encode(field: Field, column: Any) -> Ragged:
    """Return strings as elements of the field: bytes of `char`, 16-bit words of `unicodeChar`."""
    if isinstance(column, Ragged):
        return column if field.datatype == "char" else encode(field, to_objects(column))
    plain = np.ma.getdata(column)
    mask = np.ma.getmask(column)
    nulls = None if mask is np.ma.nomask or not np.any(mask) else np.asarray(mask)
    if plain.dtype.kind == "M":
        nulls = np.isnat(plain) if nulls is None else nulls | np.isnat(plain)
        plain = plain.astype("U")
    fast = _encode_block(field, plain, nulls) if plain.dtype.kind in "US" else None
    return fast or _encode_objects(field, plain, nulls)


def _encode_block(field: Field, plain: Array, nulls: Array | None) -> Ragged | None:
    unit = np.dtype("u1") if plain.dtype.kind == "S" else np.dtype("u4").newbyteorder(plain.dtype.byteorder)
    width = plain.dtype.itemsize // unit.itemsize
    letters = np.ascontiguousarray(plain).view(unit).reshape(len(plain), width)
    if letters.size and letters.max() >= _ASCII_END:
        return None
    lengths = np.strings.str_len(plain) if plain.size else np.zeros(len(plain), dtype=np.int64)
    if nulls is not None:
        lengths = np.where(nulls, 0, lengths)
    return Ragged.of_counts(letters.astype(field.wire)[filled(lengths, width)], lengths, nulls)


def _encode_objects(field: Field, plain: Array, nulls: Array | None) -> Ragged:
    strings = plain.tolist()
    if nulls is not None:
        strings = ["" if null else string for string, null in zip(strings, nulls.tolist(), strict=True)]
    joined = _joined(strings)
    if joined is None:
        strings, missing = _cleaned(field, strings)
        nulls = missing if nulls is None else nulls | missing
        joined = "".join(strings)
    if joined.isascii():
        counts = np.fromiter(map(len, strings), np.int64, len(strings))
        return Ragged.of_counts(np.frombuffer(joined.encode(), "u1").astype(field.wire, copy=False), counts, nulls)
    try:
        pieces = [string.encode(encoding(field)) for string in strings]
    except UnicodeEncodeError as error:
        raise VOTableError(f"column {field.name!r}: {error.object!r} has half of a character") from error
    counts = np.fromiter(map(len, pieces), np.int64, len(pieces)) // field.wire.itemsize
    return Ragged.of_counts(np.frombuffer(b"".join(pieces), field.wire), counts, nulls)


def _joined(strings: list[Any]) -> str | None:
    try:
        return "".join(strings)
    except TypeError:
        return None


def _cleaned(field: Field, strings: list[Any]) -> tuple[list[str], Array]:
    """Return the strings with "" for what is missing, and where that is."""
    missing = np.fromiter((string is None or string is np.ma.masked for string in strings), bool, len(strings))
    made = ["" if string is None or string is np.ma.masked else string for string in strings]
    made = [string.decode("utf-8") if isinstance(string, bytes) else string for string in made]
    wrong = next((string for string in made if not isinstance(string, str)), None)
    if wrong is not None:
        raise VOTableError(f"column {field.name!r} is text, and {wrong!r} is none")
    return made, missing


def padded(field: Field, ragged: Ragged, width: int) -> Array:
    """Return the elements of each string in a row of `width`, with zeros behind."""
    counts = ragged.counts
    if len(counts) and counts.max() > width:
        raise VOTableError(f"column {field.name!r}: a value has {counts.max()} characters, its arraysize is {field.arraysize or 1}")
    made = np.zeros((len(counts), width), dtype=field.wire)
    made[filled(counts, width)] = ragged.values
    return made


def decode(field: Field, ragged: Ragged) -> Array:
    """Return strings from elements of the field: a block of numpy strings, or objects where that would be wasteful."""
    counts = ragged.counts
    width = max(int(counts.max(initial=0)), 1)
    values = ragged.values
    if _is_plain(field, values) and width <= _SPARE + _SPARE_FACTOR * (len(values) // max(len(counts), 1)):
        letters = np.zeros((len(counts), width), dtype="u4")
        letters[filled(counts, width)] = values
        return letters.view(f"U{width}").reshape(len(counts))
    wire = Ragged(values.astype(field.wire, copy=False), ragged.offsets)
    return compact(to_objects(wire, encoding(field), field.wire.itemsize))


def _is_plain(field: Field, values: Array) -> bool:
    """Whether each element is a character."""
    if not len(values):
        return True
    if field.datatype == "char":
        return bool(values.max() < _ASCII_END)
    return not bool(((values >= _SURROGATES[0]) & (values < _SURROGATES[1])).any())


def decode_padded(field: Field, letters: Array) -> Array:
    """Return strings from elements in rows of one width: a string ends at its first zero."""
    width = letters.shape[-1]
    rows = letters.reshape(-1, width)
    ends = np.where((rows == 0).any(axis=1), (rows == 0).argmax(axis=1), width) if width else np.zeros(len(rows), dtype=np.int64)
    made = decode(field, Ragged.of_counts(rows[filled(ends, width)], ends))
    return made.reshape(letters.shape[:-1])


def to_objects(ragged: Ragged, encoding: str = "utf-8", size: int = 1) -> Array:
    """Return strings as Python has them; bytes that are no UTF-8 are read as Latin-1, so that nothing is lost."""
    data = ragged.values.tobytes()
    ends = (ragged.offsets * size).tolist()
    if encoding == "utf-8" and data.isascii():
        text = data.decode("ascii")
        strings = [text[start:end] for start, end in itertools.pairwise(ends)]
    else:
        strings = [_string(data[start:end], encoding) for start, end in itertools.pairwise(ends)]
    if ragged.nulls is not None:
        strings = [None if null else string for string, null in zip(strings, ragged.nulls.tolist(), strict=True)]  # type: ignore[misc]  # None is a null
    return objects(strings)


def _string(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return data.decode("latin-1" if encoding == "utf-8" else "utf-16-be", "replace")


def objects(values: list[Any]) -> Array:
    """Return an array of exactly these objects, whatever they are."""
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def compact(strings: Array) -> Array:
    """Return an array of Python's strings as a block of numpy's, unless that would be wasteful or lose an ending zero."""
    values = strings.tolist()
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    total = int(lengths.sum())
    if lengths.max(initial=0) > _SPARE + _SPARE_FACTOR * (total // max(len(values), 1)) or any(value.endswith("\0") for value in values):
        return strings
    return np.array(values, dtype="U") if values else np.zeros(0, dtype="U1")
