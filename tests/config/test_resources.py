"""How a resource is named on the command line."""

import pytest
from bowerbird_config.resources import HomeRef, PlatformRef, ProfileRef, ReleaseRef, ServerRef, TeamSpaceRef, parse_resource

NAMED = {
    "release:a478/ifs-dr1": ReleaseRef("a478", "ifs-dr1"),
    "space:team/craft": TeamSpaceRef("craft"),
    "space:home/ann": HomeRef("ann"),
    "space:home/ann/x": HomeRef("ann/x"),
    "profile:eso": ProfileRef("eso"),
    "server:ann": ServerRef("ann"),
    "server:team-craft": ServerRef("team-craft"),
    "platform": PlatformRef(),
}


@pytest.mark.parametrize(("text", "resource"), NAMED.items(), ids=NAMED)
def test_a_resource_is_read_and_written_alike(text, resource):
    assert parse_resource(text) == resource
    assert str(resource) == text


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("/data/releases/a478/ifs-dr1", ReleaseRef("a478", "ifs-dr1")),
        ("/data/releases/a478/ifs-dr1/cubes/deep.fits", ReleaseRef("a478", "ifs-dr1")),
        ("releases/a478/ifs-dr1/cubes/deep.fits", ReleaseRef("a478", "ifs-dr1")),
        ("/data/releases/a478/ifs-dr1/../dr2/deep.fits", ReleaseRef("a478", "dr2")),
        ("/data/releases/ngc/dr1/../../a478/ifs-dr1/deep.fits", ReleaseRef("a478", "ifs-dr1")),
        ("/data/releases/a478/x/../../../teams/craft", TeamSpaceRef("craft")),
        ("/data/../data/releases/a478//ifs-dr1/./", ReleaseRef("a478", "ifs-dr1")),
        ("teams/craft/notes.txt", TeamSpaceRef("craft")),
        ("/data/teams/craft/notes", TeamSpaceRef("craft")),
    ],
)
def test_a_path_names_what_it_lies_in(path, resource):
    assert parse_resource(path) == resource


@pytest.mark.parametrize(
    "text",
    [
        "/data/releases/a478",
        "/data/releases//x",
        "/data/releases/a478/dr1/..",
        "/data/releases/a478/dr1/../../../../etc/x",
        "/home/releases/a478/dr1",
        "../releases/a478/dr1",
        "/data/home/f",
        "",
        "release:",
        "release:a478",
        "release:/x",
        "release:a/b/c",
        "space:team",
        "space:team/",
        "space:craft/x",
        "profile:",
        "profile:a/b",
        "server:",
        "x",
    ],
)
def test_what_names_no_resource_is_told_the_forms(text):
    with pytest.raises(ValueError, match="names no resource; write one of release:COLLECTION/RELEASE, "):
        parse_resource(text)
