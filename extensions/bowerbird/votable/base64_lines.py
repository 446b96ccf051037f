"""Base64 in lines of 76 characters, over pieces of any size."""

import binascii

import numpy as np

from bowerbird.errors import VOTableError

_LINE = 76
_BYTES = _LINE // 4 * 3
_SPACE = b" \t\r\n"
_SPACES = (b" ", b"\t", b"\r")


class Encoder:
    """Turns bytes into lines; what does not fill a line waits for the next piece."""

    def __init__(self) -> None:
        self._waiting = b""

    def add(self, piece: memoryview) -> bytes:
        """Return the lines that are full."""
        joined = memoryview(self._waiting + bytes(piece)) if self._waiting else piece
        whole = len(joined) // _BYTES * _BYTES
        self._waiting = bytes(joined[whole:])
        if not whole:
            return b""
        plain = np.frombuffer(binascii.b2a_base64(joined[:whole], newline=False), dtype="u1").reshape(-1, _LINE)
        lines = np.empty((len(plain), _LINE + 1), dtype="u1")
        lines[:, :_LINE] = plain
        lines[:, _LINE] = ord("\n")
        return lines.tobytes()

    def end(self) -> bytes:
        """Return the last line."""
        waiting, self._waiting = self._waiting, b""
        return binascii.b2a_base64(waiting) if waiting else b""


class Decoder:
    """Turns text that comes in pieces into bytes."""

    def __init__(self) -> None:
        self._waiting = b""

    def add(self, text: bytes) -> bytes:
        """Return the bytes of what is complete."""
        joined = self._waiting + _without_space(text)
        whole = len(joined) // 4 * 4
        self._waiting = joined[whole:]
        if joined.endswith(b"=") and not self._waiting:
            # Padding is an end; what it leaves over may only be the end of the stream.
            self._waiting, whole = joined[whole - 4 :], whole - 4
        return _decoded(joined[:whole]) if whole else b""

    def end(self) -> bytes:
        """Return the last bytes."""
        waiting, self._waiting = self._waiting, b""
        return _decoded(waiting) if waiting else b""


def _without_space(text: bytes) -> bytes:
    """Return a text without blanks; as a rule it has ends of lines alone, which are taken out four times as fast."""
    lines = text.replace(b"\n", b"")
    return lines.translate(None, _SPACE) if any(space in lines for space in _SPACES) else lines


def _decoded(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise VOTableError(f"the base64 of a table is damaged or cut off: {error}") from error
