"""The hub's door for node plugins, over HTTP: whose pod is this, the identity feed, and what its user must hear of.

Each request carries the plugin's own bound token, read anew from its file, as kubelet renews it. No proxy of the environment
is asked and no redirection is followed: the tokens are for the hub alone.
"""

import contextlib
import http.client
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bowerbird_config.sockets import MAX_LINE

from bowerbird_fuse.csi.claims import Admission, Claim
from bowerbird_fuse.csi.contents import can_name
from bowerbird_fuse.csi.errors import Away, Denied
from bowerbird_fuse.csi.volumes import Volume

PODS, FEED, REMOUNTS, KILLS = "/nodes/pods", "/nodes/feed", "/nodes/remounts", "/nodes/kills"
_SECONDS = 10.0
# The hub says something every five seconds; one that says nothing for so long is taken for gone.
_SILENCE_SECONDS = 15.0
_LONGEST_ANSWER = 1 << 20
_LONGEST_TOKEN = 1 << 16
_LONGEST_SENTENCE = 500
_PIECE = 1 << 16
# Its own refusal, and the answers of one that does not know the question.
_REFUSALS = frozenset({http.client.FORBIDDEN, http.client.BAD_REQUEST, http.client.NOT_FOUND})


@dataclass(frozen=True, slots=True)
class Hub:
    """Where the hub is, whom its certificate is signed by (None for what the system trusts), and what proves who we are."""

    url: str
    token_file: Path = field(repr=False)
    ca_file: Path | None = None

    def whose(self, claim: Claim) -> Admission:
        """Return whose pod it is; Denied with the hub's sentence where it is nobody's, Away where the hub cannot say."""
        answer = self._post(PODS, {"pod": claim.pod.to_json(), "token": claim.token, "storage": claim.storage})
        try:
            return _admission(answer)
        except (KeyError, TypeError, ValueError) as error:
            # Not chained: it could hold a secret of the user's.
            raise Away(f"the hub gave an answer of a wrong form ({type(error).__name__})") from None

    def tell_remounted(self, volume: Volume) -> Mapping[str, str]:
        """Tell the hub that a pod's view was mounted anew; return the files by which its user is told. Away where it cannot be told."""
        return self._tell(REMOUNTS, {"pod": volume.pod.to_json(), "user": volume.user})

    def tell_killed(self, volume: Volume, kills: int) -> Mapping[str, str]:
        """Tell the hub how many processes of a pod were ended for want of memory, as `tell_remounted` does."""
        return self._tell(KILLS, {"pod": volume.pod.to_json(), "kills": kills})

    def _tell(self, path: str, what: dict[str, Any]) -> Mapping[str, str]:
        try:
            return _texts(self._post(path, what).get("files", {}))
        except ValueError as error:
            raise Away(f"the hub gave an answer of a wrong form ({error})") from error

    @contextlib.contextmanager
    def feed(self) -> Iterator[Iterator[bytes]]:
        """Yield the lines of the identity feed as they come; Away where the hub does not give it, OSError where it stops."""
        with self._answer("GET", FEED, None, _SILENCE_SECONDS) as answer:
            yield _lines(answer)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        with self._answer("POST", path, json.dumps(body).encode(), _SECONDS) as answer:
            try:
                told = json.loads(_read(answer))
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise Away(f"the answer of the hub at {self.url} cannot be read ({error})") from error
        if not isinstance(told, dict):
            raise Away("the hub gave an answer of a wrong form")
        return told

    @contextlib.contextmanager
    def _answer(self, method: str, path: str, body: bytes | None, seconds: float) -> Iterator[http.client.HTTPResponse]:
        address = urlsplit(self.url)
        try:
            connection = self._connection(address.hostname or "", address.port, seconds, address.scheme == "https")
            headers = {"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"}
            connection.request(method, address.path.rstrip("/") + path, body, headers)
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Away(f"the hub at {self.url} cannot be asked ({error})") from error
        with contextlib.closing(connection), answer:
            if answer.status != http.client.OK:
                raise self._refusal(answer)
            yield answer

    def _connection(self, host: str, port: int | None, seconds: float, secure: bool) -> http.client.HTTPConnection:
        if not secure:
            return http.client.HTTPConnection(host, port, timeout=seconds)
        return http.client.HTTPSConnection(host, port, timeout=seconds, context=ssl.create_default_context(cafile=self.ca_file))

    def _token(self) -> str:
        with self.token_file.open(encoding="ascii") as file:
            return file.read(_LONGEST_TOKEN).strip()

    def _refusal(self, answer: http.client.HTTPResponse) -> Away | Denied:
        try:
            sentence = str(json.loads(_read(answer))["error"])[:_LONGEST_SENTENCE]
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
            sentence = f"the hub at {self.url} answered {answer.status}"
        # Anything else may be over when it is asked again.
        return Denied(sentence) if answer.status in _REFUSALS else Away(sentence)


def _admission(answer: dict[str, Any]) -> Admission:
    user, uid = answer["user"], answer["uid"]
    # The keeper makes a directory of that name, and root is nobody's user.
    if not isinstance(user, str) or user in {"", ".", ".."} or "/" in user or "\0" in user or type(uid) is not int or uid <= 0:
        raise ValueError("that names no user")
    return Admission(user, uid, _texts(answer["files"]), _texts(answer["secrets"]))


def _texts(told: Any) -> dict[str, str]:
    if not isinstance(told, dict) or not all(can_name(name) and isinstance(text, str) for name, text in told.items()):
        raise ValueError("that names no files")
    return told


def _read(answer: http.client.HTTPResponse) -> bytes:
    """Return a whole answer, which may be neither endless nor drip on for ever."""
    end = time.monotonic() + _SECONDS
    held = bytearray()
    while piece := answer.read1(_PIECE):
        held += piece
        if len(held) > _LONGEST_ANSWER:
            raise ValueError(f"it is longer than {_LONGEST_ANSWER} bytes")
        if time.monotonic() > end:
            raise TimeoutError(f"it was not whole within {_SECONDS:.0f} s")
    return bytes(held)


def _lines(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while line := answer.readline(MAX_LINE + 1):
        if not line.endswith(b"\n"):
            raise OSError("the hub's feed ended within a line, or has a line that is too long")
        yield line
