"""What the owner of a pod is told of its ends, each once, also by the hub that comes after the one which told it."""

import math
import time
from collections.abc import Iterable
from typing import Any

from bowerbird_config.model import format_size
from bowerbird_config.pod_settings import PodSettings
from bowerbird_config.pods import Pod
from bowerbird_config.profiles import Profile
from bowerbird_hub.runtimes import pod_status
from bowerbird_hub.runtimes.obituaries import Obituary, out_of_memory
from bowerbird_hub.runtimes.platform_spawner import PlatformSpawner
from traitlets import Any as AnyTrait

_LOST = "Your server's node lost the files that were open in /data and in your home. Restart its kernels, or the server, to open them anew."

# A node that had no power takes less to show a server its data again.
AWAY_SECONDS = 180.0


class PodEnds(PlatformSpawner):
    """Tells what the cluster says of a server's end, where that is not the hub's own doing."""

    settings: PodSettings = AnyTrait(help="what only the cluster says of pods").tag(config=True)  # type: ignore[assignment]  # a trait, seen as its value

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._told_restarts = 0
        self._told_kills = 0
        self._told_lost = False
        # When to tell that its node does not start it again; None while it runs.
        self._tell_away_at: float | None = None
        # Whether its end is our own doing, or was told.
        self._end_is_known = False
        # The uid of the pod whose data were shown under a lease.
        self._leased = ""

    def _told(self) -> dict[str, Any]:
        """Return what a hub that takes this one's place is to know."""
        told = {"restarts": self._told_restarts, "kills": self._told_kills, "lost": self._told_lost}
        return {**told, "end_is_known": self._end_is_known, "leased": self._leased}

    def _load_told(self, state: dict[str, Any]) -> None:
        self._told_restarts = int(state.get("restarts", 0))
        self._told_kills = int(state.get("kills", 0))
        self._told_lost = bool(state.get("lost", False))
        self._end_is_known = bool(state.get("end_is_known", False))
        self._leased = str(state.get("leased", ""))

    def _keep_state(self) -> None:
        # JupyterHub keeps the state at the start alone, and a hub that takes this one's place would tell it anew.
        self.orm_spawner.state = self.get_state()
        self._commit()

    def shown(self, pod: Pod, storage: str) -> None:
        """Take note whether the node plugin that shows a pod its data takes a lease: one of before leases sends no mark of its storage."""
        leased = pod.uid if storage else ""
        if leased != self._leased:
            self._leased = leased
            self._keep_state()

    def _tell_remounted(self) -> Obituary:
        return self._tell_of(_LOST)

    def _tell_killed(self, kills: int) -> Obituary | None:
        """Tell of processes that were newly ended for want of memory; they are counted anew when the pod's container is."""
        profile, more = self._profile(), kills > self._told_kills
        if kills != self._told_kills:
            self._told_kills = kills
            self._keep_state()
        return self._tell_of(out_of_memory(kills, profile.memory)) if more and profile else None

    def _may_be_left(self, pod: dict[str, Any]) -> bool:
        return pod_status.may_be_left(pod, self.settings, self._leased)

    def _of_lost(self, pod: dict[str, Any]) -> str:
        return pod_status.of_lost(pod, self.settings, self._leased)

    def _tell_lost(self, pod: dict[str, Any]) -> bool:
        """Tell once that the pod's node is lost, and take it back when it is not any more; return whether it is."""
        lost = pod_status.lost(pod)
        if lost and not self._told_lost:
            self._tell_of(self._of_lost(pod))
        if self._told_lost and not lost:
            self.log.warning("%s: the server's node answers the cluster again", self._log_name)
            self.obituaries.forget(self.user.name, self.name or "")
        if lost is not self._told_lost:
            self._told_lost = lost
            self._keep_state()
        return lost

    def _tell_end(self, pod: dict[str, Any]) -> None:
        found = pod_status.end(pod, self._told_restarts, self._limit())
        if found is not None:
            self._told_restarts = found.restarts
            self._tell_of(found.words)
            self._keep_state()

    def _tell_away(self, pod: dict[str, Any], events: Iterable[pod_status.Part]) -> None:
        """Tell once why a server that has ended is not started again, where that takes long."""
        now = time.monotonic()
        if self._tell_away_at is None:
            self._tell_away_at = now + AWAY_SECONDS
        elif now >= self._tell_away_at:
            self._tell_away_at = math.inf
            words = f"Your server ended {AWAY_SECONDS / 60:.0f} minutes ago, and its node, which goes on trying, has not started it again."
            self._tell_of(f"{words} {pod_status.waiting_for(pod, events)}")

    def _tell_taken(self, pod: dict[str, Any] | None) -> None:
        pending = self._stop_pending or self._start_pending or self._spawn_pending
        if pending or self._told_lost or not self.server:
            return
        words = pod_status.taken(pod)
        if words and not self._end_is_known:
            self._tell_of(words)
        if self._end_is_known is not bool(words):
            # A pod that lives on is one that a stop did not reach, and its end will be news.
            self._end_is_known = bool(words)
            self._keep_state()

    def _tell_of(self, words: str) -> Obituary:
        self.log.warning("%s: %s", self._log_name, words)
        return self.obituaries.write(self.user.name, self.name or "", words)

    def _profile(self) -> Profile | None:
        return self.live.platform.profiles.get((self.user_options or {}).get("profile", ""))

    def _limit(self) -> str:
        profile = self._profile()
        return format_size(profile.memory) if profile else "its profile"
