"""Run in a pod, in the hub's place: `door.py DRIVER PLATFORM USERS`.

The hub's own door for node plugins, which asks the cluster whose a token is, with the hub's account. Its record of servers alone is
not the hub's: USERS is a JSON file of identity records by the name of their pod.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from bowerbird_config.load import load
from bowerbird_config.pods import Pod
from bowerbird_hub.identity.feed import Message
from bowerbird_hub.nodes.door import VolumeOf
from bowerbird_hub.nodes.feed import NodeFeed
from bowerbird_hub.nodes.opening import door_of
from bowerbird_hub.nodes.services import SERVICES_RECORD


class Record:
    """Whose pods there are."""

    def __init__(self, platform: Path, users: Path) -> None:
        self.platform = load(platform)
        self.users = json.loads(users.read_text())

    def snapshot(self) -> Iterator[Message]:
        """Return what a node that has just asked is to know."""
        yield {"kind": "platform", "version": 1, "platform": self.platform.model_dump(mode="json")}
        for record in (SERVICES_RECORD.to_json(), *self.users.values()):
            yield {"kind": "identity", "version": record["version"], "record": record}
        yield {"kind": "synced", "version": 1}

    async def volume_of(self, pod: Pod, _storage: str) -> VolumeOf | None:
        """Return what the volume of that pod shows."""
        record = self.users.get(pod.name)
        if record is None:
            return None
        passwd = f"{record['name']}:x:{record['uid']}:{record['gid']}::/home/{record['name']}:/bin/sh\n"
        return VolumeOf("default", record["name"], record["uid"], {"passwd": passwd}, {"token": "of-the-server"})

    def remounted(self, pod: Pod) -> Mapping[str, str]:
        """Say so."""
        print(f"remounted {pod}", flush=True)
        return {}

    def killed(self, pod: Pod, kills: int) -> Mapping[str, str]:
        """Say so."""
        print(f"{kills} killed in {pod}", flush=True)
        return {}


async def main() -> None:
    """Answer until the pod ends."""
    driver, platform, users = sys.argv[1:]
    record = Record(Path(platform), Path(users))
    door, port = door_of(os.environ, driver, record, NodeFeed(record.snapshot))
    door.open(port)
    print("open", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
