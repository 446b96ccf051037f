"""Publishing: a user's view, which the keeper mounts once, shown at the directory of each pod that may see it.

What is shown is a mount of its own, which shares no event with any other: the view of one pod is taken away and no other
pod of the same user feels it. Nothing here asks a view, which may not answer: what is mounted where is the kernel's to tell.

Locks: `_alone` keeps two calls about one volume apart, and what publishes to one pod; a user's lock does so for those that have
the user's view mounted or unmounted. Who holds a user's lock never waits for the hub, nor for the leases, whose storage may not
answer: `tend` waits for each of these locks.
"""

import contextlib
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from bowerbird_config.paths import Var
from bowerbird_config.pods import Pod
from bowerbird_config.room import is_full

from bowerbird_fuse import mount
from bowerbird_fuse.csi.claims import Admission, Claim
from bowerbird_fuse.csi.contents import DATA, Contents
from bowerbird_fuse.csi.errors import Away, Busy, CallError, Denied
from bowerbird_fuse.csi.keeper_orders import KeeperOrders
from bowerbird_fuse.csi.leases import Lease, Leases
from bowerbird_fuse.csi.storage import mark_of
from bowerbird_fuse.csi.targets import Target
from bowerbird_fuse.csi.volumes import Book, Volume, file_name, volumes_directory

log = logging.getLogger(__name__)
# How long a node before has to notice a lease that was taken: it looks each second, and ends a view within some.
TAKEN_SECONDS = 15.0

# Says whose pod it is; Denied where it is nobody's, Away where that cannot be asked.
Who = Callable[[Claim], Admission]


@contextlib.contextmanager
def _room() -> Iterator[None]:
    """Say Away, in words for the pod's user, where the storage has no room for what a node writes on it."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise Away("the storage that homes are on is full, and no server begins on it until somebody makes room") from error
        raise


class Publisher:
    """All that is published on this node."""

    def __init__(
        self,
        var: Var,
        pods: Path,
        node: str,
        who: Who,
        remounted: Callable[[Volume], None] = lambda _volume: None,
        *,
        taken_seconds: float = TAKEN_SECONDS,
    ) -> None:
        """Go on with what an earlier plugin has published; `remounted` hears of each volume whose open files were lost."""
        self.book = Book(volumes_directory(var), pods)
        self._marked = var.leases
        self._leases = Leases(var.leases, node, taken_seconds)
        self._views = var.views
        self.contents = Contents(var.run / "csi" / "contents")
        self._keeper = KeeperOrders(var.keeper_socket)
        self._who = who
        self._remounted = remounted
        self._busy: set[str] = set()
        self._lock = threading.Lock()
        self._of_user: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._swept = False
        self._leaving: set[str] = set()
        self._troubles: dict[str, str] = {}
        self._forget_unmounted()

    def _forget_unmounted(self) -> None:
        # After a boot nothing is mounted, and kubelet asks for what it still wants.
        for volume in self.book.all():
            if not volume.target.mounted():
                self.book.remove(volume.volume)
        self.contents.keep_only({file_name(volume.volume) for volume in self.book.all()})

    # What kubelet asks for.

    def publish(self, claim: Claim) -> None:
        """Show a pod what it may see; CallError or OSError, and then nothing of it is left."""
        with self._alone(claim.volume), self._alone(claim.pod.uid):
            held = self.book.get(claim.volume)
            if held is not None and not held.answers(claim):
                raise Denied(f"the volume {claim.volume} is one of another pod or another directory")
            if held is not None and held.target.mounted(DATA):
                return
            # What nobody writes, two nodes may show, each from a storage of its own.
            asked = claim if claim.read_only else replace(claim, storage=self._mark())
            admission = self._who(asked)
            if not claim.read_only:
                self._take_lease(claim.pod)
            with self._user(admission.user):
                self._make(Volume.of(claim, admission.user), admission)
            log.info("published the view of %s to pod %s", admission.user, claim.pod)

    def _mark(self) -> str:
        with _room():
            return mark_of(self._marked)

    def _take_lease(self, pod: Pod) -> None:
        with _room():
            lease = self._leases.take(pod)
        if self._leases.seconds_left(lease):
            raise Away(f"pod {pod} was on node {lease.before}, which is given time to notice that it is here now")

    def unpublish(self, name: str, target: Target) -> None:
        """Take away all that is shown at a directory, and the directory; what is not there is no error."""
        with self._alone(name):
            held = self.book.get(name)
            if held is None:
                target.clear()
                return
            with self._user(held.user):
                if held.target != target:
                    target.clear()
                self._unmake(held)
            self._give_back(held.pod)
            log.info("unpublished the view of %s from pod %s", held.user, held.pod)

    def _make(self, volume: Volume, admission: Admission) -> None:
        volume.target.make()
        try:
            self.book.write(volume)
            self._leaving.discard(volume.user)
            self._keeper.mount(volume.user)
            # What a plugin that died within this call has left.
            volume.target.empty()
            volume.target.show(self.contents.write(file_name(volume.volume), admission), read_only=True)
            volume.target.show(self._views / volume.user, DATA, read_only=volume.read_only)
        except BaseException:  # whatever stopped it, nothing half-made stays
            with contextlib.suppress(OSError, CallError):
                self._unmake(volume)
            raise

    def _unmake(self, volume: Volume) -> None:
        try:
            volume.target.clear()
        finally:
            self.contents.remove(file_name(volume.volume))
        self.book.remove(volume.volume)
        self._leave(volume.user)

    def _leave(self, user: str) -> None:
        """Have a view unmounted that no volume shows; a keeper that is away is told again by `tend`."""
        if self.book.of(user):
            return
        self._leaving.add(user)
        try:
            self._keeper.unmount(user)
            self._leaving.discard(user)
        except CallError as error:
            self._complain(user, str(error))

    def tell(self, volume: Volume, files: Mapping[str, str]) -> None:
        """Show a pod what the hub says since; a volume that is gone hears nothing."""
        with self._user(volume.user):
            if self.book.get(volume.volume) is not None:
                self.contents.add(file_name(volume.volume), files)

    # What happens between the calls.

    def tend(self) -> None:
        """Look after what is published: to be called every second, and when this process starts."""
        if not self._swept:
            with contextlib.suppress(CallError):  # the keeper may not be there yet
                self._leaving |= self._keeper.users() - {volume.user for volume in self.book.all()}
                self._swept = True
        for user in {*self._leaving, *(volume.user for volume in self.book.all())}:
            with self._user(user), self._told(user):
                self._tend(user)

    def look_at_leases(self) -> None:
        """Take away what is shown to pods that run elsewhere by now, and give back what no pod needs: to be called every second."""
        for user in {volume.user for volume in self.book.all()}:
            lost = {volume.pod: lease for volume in self.book.of(user) if (lease := self._lost(volume.pod)) is not None}
            if lost:
                with self._user(user), self._told(f"{user}, who has a pod elsewhere"):
                    self._take_away(user, lost)
        for pod in self._leases.mine():
            if not self._is_here(pod):
                self._give_back(pod)

    def _lost(self, pod: Pod) -> Lease | None:
        with self._told(f"pod {pod}"):
            return self._leases.lost(pod)
        return None

    def _take_away(self, user: str, lost: dict[Pod, Lease]) -> None:
        # Read again: it may be gone by now. What was lost stays so, as no uid comes back.
        volumes = [volume for volume in self.book.of(user) if volume.pod in lost]
        if not volumes:
            return
        # First: what a pod has open ends with the view alone, that of other pods of the user too.
        self._keeper.unmount(user)
        for volume in volumes:
            # Before what may fail: `tend` shows again what is in the book.
            self.book.remove(volume.volume)
        for volume in volumes:
            log.error("pod %s was started on node %s: what it had of %s here is taken away", volume.pod, lost[volume.pod].node, user)
            with self._told(f"pod {volume.pod}"):
                self._unmake(volume)

    def _give_back(self, pod: Pod) -> None:
        with self._told(f"pod {pod}"):  # what is not given back now is later, as `mine` goes on to name it
            self._leases.give_back(pod, self._is_here)

    def _is_here(self, pod: Pod) -> bool:
        with self._lock:
            busy = pod.uid in self._busy
        return busy or any(volume.pod == pod for volume in self.book.all())

    def _tend(self, user: str) -> None:
        volumes = self.book.of(user)
        if not volumes:
            self._leave(user)
            return
        view = mount.mounted(self._views / user)
        if not view:
            self._keeper.mount(user)
            view = mount.mounted(self._views / user)
        for volume in volumes:
            shown = volume.target.mounted(DATA)
            # A volume that shows nothing is one that kubelet has at work, or has given up.
            if shown and view and shown[-1].connection != view[-1].connection:
                self._show_anew(volume)

    def _show_anew(self, volume: Volume) -> None:
        # On top: what lies below is dead, but the pod's own mount hangs on it, and this one reaches the pod by it.
        volume.target.show(self._views / volume.user, DATA, read_only=volume.read_only)
        volume = volume.remounted()
        self.book.write(volume)
        log.warning("the view of %s was mounted anew: what pod %s had open in it is lost", volume.user, volume.pod)
        self._remounted(volume)

    @contextlib.contextmanager
    def _told(self, user: str) -> Iterator[None]:
        # One's trouble must not keep the others from their data.
        try:
            yield
        except (CallError, OSError) as error:
            self._complain(user, str(error))
        else:
            self._troubles.pop(user, None)

    def _complain(self, user: str, trouble: str) -> None:
        if self._troubles.get(user) != trouble:
            self._troubles[user] = trouble
            log.warning("the view of %s: %s", user, trouble)

    def close(self) -> None:
        """Leave nothing where nothing is published; else all stays for the next plugin."""
        if not self.book.all():
            self.contents.close()

    # Who waits for whom.

    @contextlib.contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        with self._lock:
            if name in self._busy:
                raise Busy(f"an earlier call about {name} is not finished")
            self._busy.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(name)

    def _user(self, user: str) -> threading.Lock:
        with self._lock:
            return self._of_user[user]
