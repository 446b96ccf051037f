"""The name that was probably meant."""

from bowerbird_config.problems import choose_from, nearest


def test_near_name_is_found_whatever_its_case() -> None:
    assert nearest("crfat", ["ESO", "Craft"]) == "Craft"
    assert nearest("minimal", ["ESO", "Craft"]) is None


def test_among_very_many_names_none_is_looked_for_and_few_are_listed() -> None:
    names = [f"team-{number}" for number in range(501)]
    assert nearest("team-7x", names[:500]) == "team-7"
    assert nearest("team-7x", names) is None
    said = choose_from("team-7x", names)
    assert said.startswith("defined: 'team-0', ")
    assert said.endswith(" more")


def test_where_nothing_is_defined_that_is_said() -> None:
    assert choose_from("craft", []) == "defined: none"
