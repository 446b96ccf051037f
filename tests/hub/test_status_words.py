"""What `status` says of the spaces."""

import json
from pathlib import Path

from bowerbird_config.paths import Var
from bowerbird_hub.commands import in_words
from bowerbird_hub.supervision.status import SpaceStatus, status_of

MIB = 1 << 20


def test_each_space_is_shown_with_what_it_uses(tmp_path: Path) -> None:
    var = Var(tmp_path)
    var.usage.parent.mkdir()
    ann = {"space": "home/ann", "used": 9 * MIB, "trash": MIB // 2, "soft": None, "hard": 10 * MIB, "level": 90, "words": ""}
    ant = {"space": "team/ant", "used": 0, "trash": 0, "soft": None, "hard": None, "level": 0, "words": ""}
    var.usage.write_text(json.dumps({"spaces": {"team/ant": ant, "home/ann": ann, "home/odd": {"space": "home/odd"}}}))
    found = status_of(var)
    assert found.spaces == (SpaceStatus("home/ann", 9 * MIB, MIB // 2, 10 * MIB, 90), SpaceStatus("team/ant", 0, 0, None, 0))
    shown = [" ".join(line.split()) for line in in_words(found).splitlines() if line.startswith(("home/", "team/"))]
    assert shown == ["home/ann 9.0 MiB 10 MiB, 90 % reached 0.5 MiB", "team/ant 0.0 MiB - 0.0 MiB"]
