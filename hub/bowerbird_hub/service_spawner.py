"""The spawner of the hub's own services, which notices within a second or two that one has ended.

JupyterHub makes the spawner of a service without any configuration, so that each is looked at every 30 s, whatever is
configured. Its class is therefore replaced by this one, before the first service starts.
"""

import time
from typing import Any, ClassVar

from bowerbird_hub.supervision.supervisor import BackOff
from jupyterhub.services import service


class ServiceSpawner(service._ServiceSpawner):
    """Looks soon after a start whether the service is there, and later and later where it ends each time again."""

    # By service: when it was started last, and how the waits grow.
    _started: ClassVar[dict[str, float]] = {}
    _back_offs: ClassVar[dict[str, BackOff]] = {}

    def start(self) -> Any:
        """Start the process; what polls it begins right after this."""
        name, now = self._service_name, time.monotonic()
        back_off = self._back_offs.setdefault(name, BackOff(first_seconds=1.0))
        self.poll_interval = round(back_off.after(now - self._started.get(name, now)))
        self._started[name] = now
        return super().start()


def replace_jupyterhubs() -> None:
    """Let JupyterHub start its services by this spawner."""
    service._ServiceSpawner = ServiceSpawner
