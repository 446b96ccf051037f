"""Who asked the API server for what, by its audit log."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.cluster.cluster import Cluster
from tests.support.cluster.control_plane import AUDIT_LOG


@dataclass(frozen=True, slots=True)
class Call:
    """One call: whose, its verb, the resource with its subresource, and the object's namespace and name as far as it told them."""

    user: str
    verb: str
    resource: str
    namespace: str
    name: str


class Calls:
    """The calls of service accounts and nodes from now on; lists and watches, which come by the clock, are not among them."""

    def __init__(self, cluster: Cluster) -> None:
        self._log = cluster.machines["cp"].disk / AUDIT_LOG.lstrip("/")
        self._read = self._log.stat().st_size

    def more(self) -> list[Call]:
        """Return those that have ended since the last time."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            told = log.read()
        whole = told[: told.rfind(b"\n") + 1]
        self._read += len(whole)
        return list(_calls(whole))


def _calls(lines: bytes) -> Iterator[Call]:
    for line in lines.splitlines():
        event = json.loads(line)
        about = event.get("objectRef", {})
        resource = "/".join(filter(None, (about.get("resource", ""), about.get("subresource", ""))))
        yield Call(event["user"]["username"], event["verb"], resource, about.get("namespace", ""), about.get("name", ""))
