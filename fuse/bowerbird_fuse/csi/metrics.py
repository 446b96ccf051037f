"""`/metrics` of a node, in Prometheus's text format: kubelet's calls, what is published, and how its views fare."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bowerbird_fuse.csi.errors import CallError
from bowerbird_fuse.csi.keeper_orders import KeeperOrders
from bowerbird_fuse.csi.limits import Limits
from bowerbird_fuse.csi.volumes import Book

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = 10.0


class Calls:
    """Counts kubelet's calls by method and status code."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def count(self, method: str, code: str) -> None:
        """Count one call."""
        with self._lock:
            self._counts[method, code] += 1

    def all(self) -> Mapping[tuple[str, str], int]:
        """Return all counts."""
        with self._lock:
            return dict(self._counts)


def text(calls: Calls, book: Book, keeper: KeeperOrders, limits: Limits | None = None) -> str:
    """Return what is measured; a keeper that does not answer is told by `bowerbird_node_keeper_up`."""
    return "".join(f"{line}\n" for line in (*_of_calls(calls), *_of_volumes(book), *_of_limits(limits), *_of_keeper(keeper)))


def _of_calls(calls: Calls) -> Iterator[str]:
    yield "# HELP bowerbird_node_calls_total Calls of kubelet's, by method and gRPC status."
    yield "# TYPE bowerbird_node_calls_total counter"
    for (method, code), count in sorted(calls.all().items()):
        yield f'bowerbird_node_calls_total{{method="{method}",code="{code}"}} {count}'


def _of_volumes(book: Book) -> Iterator[str]:
    volumes = book.all()
    yield from _gauge("bowerbird_node_volumes", "Volumes that are published.", len(volumes))
    lost = sum(bool(volume.remounts) for volume in volumes)
    yield from _gauge("bowerbird_node_volumes_remounted", "Published volumes whose view was mounted anew: open files were lost.", lost)


def _of_limits(limits: Limits | None) -> Iterator[str]:
    if limits is not None:
        yield from _gauge("bowerbird_node_pods_unlimited", "Pods whose processes should have a limit, and have none.", limits.unlimited)


def _of_keeper(keeper: KeeperOrders) -> Iterator[str]:
    try:
        views = keeper.views()
    except CallError:
        yield from _gauge("bowerbird_node_keeper_up", "1 where the keeper takes orders.", 0)
        return
    yield from _gauge("bowerbird_node_keeper_up", "1 where the keeper takes orders.", 1)
    yield from _gauge("bowerbird_node_views", "Views that are mounted.", len(views))
    unwell = sum(not view.get("healthy") for view in views)
    yield from _gauge("bowerbird_node_views_unhealthy", "Views that do not answer.", unwell)
    restarts = sum(int(view.get("restarts") or 0) for view in views)
    yield from _gauge("bowerbird_node_worker_restarts", "Workers of the mounted views that were started again.", restarts)


def _gauge(name: str, about: str, value: int) -> tuple[str, str, str]:
    return f"# HELP {name} {about}", f"# TYPE {name} gauge", f"{name} {value}"


class MetricsServer:
    """Serves `/metrics` at a port, until `close`."""

    def __init__(self, port: int, calls: Calls, book: Book, keeper: KeeperOrders, limits: Limits | None = None) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = _SECONDS

            def do_GET(self) -> None:
                """Answer with what is measured now."""
                if self.path != "/metrics":
                    self.send_error(HTTPStatus.NOT_FOUND)
                    return
                body = text(calls, book, keeper, limits).encode()
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Type", _CONTENT_TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *_args: object) -> None:
                """Write nothing: it is asked every few seconds."""

        self._server = ThreadingHTTPServer(("", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it is served."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
