"""Lists of checksums, as sha256sum writes them, and as nobody should."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from bowerbird_config.checksums import parse
from hypothesis import given
from hypothesis import strategies as st

A, B = "a" * 64, "b" * 64


def test_list_that_sha256sum_wrote_is_read(tmp_path: Path) -> None:
    names = [b"plain", b"d/two words", b"back\\slash", b"new\nline", b"return\r", "été".encode(), b"\xff\xfe", b"*star", b" space"]
    os.mkdir(tmp_path / "d")
    for name in names:
        Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).write_bytes(name)
    for options in ([], ["--binary"], ["--tag"]):
        text = subprocess.run(["sha256sum", *options, "--", *names], cwd=tmp_path, capture_output=True, check=True).stdout
        assert parse(text) == {name: hashlib.sha256(name).hexdigest() for name in names}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{A.upper()}  ./d//f\r\n", {b"d/f": A}),
        (f"{A}  f\n{B}  f\n", {b"f": A}),
        (f"# a comment\n\n{A[1:]}  f\n{A} f\n{A}  \n{B}  g", {b"g": B}),
        (f"{A}  /etc/passwd\n{A}  ../f\n{A}  d/../../f\n{A}  .\n", {}),
    ],
)
def test_what_a_line_says(text: str, found: dict[bytes, str]) -> None:
    assert parse(text.encode()) == found


@given(st.binary() | st.lists(st.sampled_from([A.encode(), b"  ", b"\\", b"\n", b"f", b"SHA256 (", b") = "])).map(b"".join))
def test_anything_can_be_read_and_every_checksum_is_one(text: bytes) -> None:
    for name, digest in parse(text).items():
        assert name
        assert len(bytes.fromhex(digest)) == 32
