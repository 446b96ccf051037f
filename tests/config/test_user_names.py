"""Which names of a directory may become users."""

import re
from pathlib import PurePosixPath

import pytest
from bowerbird_config.user_names import SERVICES_ACCOUNT, fault
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "name", ["ann", "Ann", "a", "0ann", "_svc", "ann.lee", "ann-lee", "ann+x", "ann@example.org", "a" * 64, "team", "teamwork"]
)
def test_names_that_directories_use_are_taken(name: str):
    assert fault(name) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "empty"),
        ("a" * 65, "65 characters"),
        ("team-craft", "'team-'"),
        ("TEAM-craft", "'team-'"),
        ("bowerbird-cas", "'bowerbird-'"),
        ("service-x", "'service-'"),
        (SERVICES_ACCOUNT, "kept for accounts that the platform makes"),
        ("root", "kept for the platform"),
        ("Root", "kept for the platform"),
        (".", "begins with"),
        ("..", "begins with"),
        ("-rf", "begins with"),
        ("a/b", "contains '/'"),
        ("a:b", "contains ':'"),
        ("a b", "contains ' '"),
        ("o'neil", "contains"),
        ("a\nb", "contains '\\\\n'"),
        ("a\x00b", "contains '\\\\x00'"),
        ("a%2fb", "contains '%'"),
        ("josé", "contains '\\\\xe9'"),
        ("\u212aate", "contains '\\\\u212a'"),  # the Kelvin sign, whose lower case is k
        ("adm\u0131n", "contains '\\\\u0131'"),
        ("ann\u200b", "contains '\\\\u200b'"),
        ("CN=ann,DC=x", "contains '='"),
        ("x" * 5000 + "\x1b[2J", "characters"),
    ],
)
def test_every_other_name_is_refused_in_a_sentence(name: str, words: str):
    found = fault(name)
    assert found is not None
    assert re.search(words, found)


@given(st.text(max_size=80))
def test_a_taken_name_is_one_safe_part_of_a_path_and_keeps_to_ascii(name: str):
    found = fault(name)
    if found is None:
        assert PurePosixPath("/homes") / name.lower() == PurePosixPath(f"/homes/{name.lower()}")
        assert PurePosixPath(name).parts == (name,)
        assert name.isascii()
        assert ":" not in name
    else:
        assert found.isascii()
        assert found.isprintable()
