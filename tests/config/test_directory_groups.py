"""Directory groups as real directories write them, against what a platform file asks for."""

import pytest
from bowerbird_config.directory_groups import held, parse_dn
from hypothesis import given
from hypothesis import strategies as st

CRAFT = "CN=CRAFT FRB,OU=Teams\\, science,DC=example,DC=org"


@pytest.mark.parametrize(
    "spelling",
    [
        CRAFT,
        "cn=craft frb,ou=teams\\, science,dc=EXAMPLE,dc=org",
        "cn=craft frb , ou=teams\\2C science , dc=example , dc=org",
        "CN=CRAFT  FRB;OU=Teams\\, science;DC=example;DC=org",
    ],
)
def test_one_distinguished_name_matches_in_every_spelling(spelling: str):
    assert held([CRAFT], [spelling]) == (CRAFT,)
    assert held(["craft frb"], [spelling]) == ("craft frb",)


def test_a_comma_inside_a_value_ends_no_level():
    assert held(["science"], [CRAFT]) == ()
    assert held(["a, b"], ["CN=a\\, b,DC=example"]) == ("a, b",)


def test_only_the_first_level_names_the_group():
    assert held(["Teams, science", "example", "org"], [CRAFT]) == ()
    assert held(["outer"], ["CN=inner,CN=outer,DC=example"]) == ()


def test_each_common_name_of_a_multi_valued_level_counts():
    assert held(["a", "b", "x"], ["CN=a+UID=x+CN=b,DC=example"]) == ("a", "b")


def test_order_within_a_level_means_nothing():
    assert held(["CN=a+UID=x,DC=e"], ["uid=x+cn=a,dc=e"]) == ("CN=a+UID=x,DC=e",)


def test_a_whole_name_is_not_matched_by_its_common_name_alone():
    assert held([CRAFT], ["CRAFT FRB"]) == ()
    assert held([CRAFT], ["CN=CRAFT FRB,OU=guests,DC=evil"]) == ()
    assert held([CRAFT], ["CN=CRAFT FRB,OU=Teams\\, science,DC=example"]) == ()


def test_bytes_of_other_alphabets_are_read_as_utf8():
    assert held(["Équipe"], ["CN=\\C3\\89quipe,DC=example"]) == ("Équipe",)


@pytest.mark.parametrize("plain", ["eso-people", "ESO-People", "  eso-people "])
def test_plain_names_compare_without_regard_to_case(plain: str):
    assert held(["eso-people"], [plain]) == ("eso-people",)


@pytest.mark.parametrize(
    "odd", ["", "=", "CN=", "CN", "CN=a,", "CN=a,,DC=b", ",", "+", "\\", "CN=a\\", "admin", "../x", "\u0000", "x" * 300, "CN=\\FF,DC=x"]
)
def test_odd_values_give_nothing_that_was_not_asked_for(odd: str):
    assert held(["craft", CRAFT], [odd]) == ()


@given(st.lists(st.text(max_size=40), max_size=5))
def test_nothing_but_what_was_wanted_is_held(values: list[str]):
    assert set(held(["craft", CRAFT], values)) <= {"craft", CRAFT}


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=20).filter(lambda text: text.strip() == text))
def test_an_escaped_value_comes_back_whole(value: str):
    escaped = "".join(f"\\{character}" if character in ',+;\\"<>=#' else character for character in value)
    name = parse_dn(f"CN={escaped},DC=example")
    assert name is not None
    assert name.common_names == {" ".join(value.split()).casefold()}
