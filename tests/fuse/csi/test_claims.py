"""What kubelet says, taken apart: which paths are a volume's, and which claims no kubelet makes."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bowerbird_config.pods import Pod
from bowerbird_fuse.csi import claims
from bowerbird_fuse.csi.errors import Malformed
from bowerbird_fuse.csi.targets import Target

from tests.support.kubelet import Kubelet

PODS = Path("/var/lib/kubelet/pods")
DRIVER = "data.example"


@pytest.mark.parametrize(
    "place",
    [
        "",
        "/",
        "/etc",
        "relative/volumes/kubernetes.io~csi/data/mount",
        "{pods}",
        "{pods}/u/volumes/kubernetes.io~csi/data",
        "{pods}/u/volumes/kubernetes.io~csi/data/mount/",
        "{pods}/u/volumes/kubernetes.io~csi/data/mount/more",
        "{pods}/u/volumes/kubernetes.io~csi/data/other",
        "{pods}/u/volumes/kubernetes.io~csi/../mount",
        "{pods}/../volumes/kubernetes.io~csi/data/mount",
        "{pods}/u/volumes/kubernetes.io~csi/data/x/../mount",
        "{pods}/u//volumes/kubernetes.io~csi/data/mount",
        "{pods}/u/volumes/kubernetes.io~secret/data/mount",
        "{pods}/u/volumes/kubernetes.io~csi/DATA/mount",
        "{pods}/u/volumes/kubernetes.io~csi/data\n/mount",
        "{pods}/u\0/volumes/kubernetes.io~csi/data/mount",
        "{pods}x/u/volumes/kubernetes.io~csi/data/mount",
    ],
)
def test_path_that_is_no_volumes_is_refused(place: str) -> None:
    with pytest.raises(Malformed, match="is no directory of a volume"):
        Target.parse(PODS, place.format(pods=PODS))


def test_path_of_a_volume_is_taken_apart() -> None:
    place = f"{PODS}/1b4e28ba-2fa1-11d2/volumes/kubernetes.io~csi/data/mount"
    target = Target.parse(PODS, place)
    assert (target.pod_uid, target.volume, str(target)) == ("1b4e28ba-2fa1-11d2", "data", place)


def request(tmp_path: Path, **changes: Any) -> Any:
    volume = Kubelet(tmp_path, DRIVER).volume("ann1", token="secret-token")
    context = {key: value for key, value in (volume.context | changes.pop("context", {})).items() if value is not None}
    made = {"volume_id": volume.id, "target_path": str(volume.target), "readonly": False, "volume_context": context}
    return SimpleNamespace(**made | changes)


def parse(tmp_path: Path, **changes: Any) -> claims.Claim:
    return claims.parse(request(tmp_path, **changes), tmp_path / "pods", DRIVER)


def test_claim_is_what_kubelet_says_and_hides_its_token(tmp_path: Path) -> None:
    claim = parse(tmp_path)
    assert (claim.pod, claim.token) == (Pod("people", "ann1", "0000-ann1"), "secret-token")
    assert "secret-token" not in repr(claim)


TOKENS = "csi.storage.k8s.io/serviceAccount.tokens"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"volume_id": ""}, "has no name"),
        ({"context": {"csi.storage.k8s.io/ephemeral": "false"}}, "no ephemeral inline volume"),
        ({"context": {"csi.storage.k8s.io/pod.name": None}}, "podInfoOnMount"),
        ({"context": {"csi.storage.k8s.io/pod.uid": "0000-bob1"}}, "is not one of pod people/ann1"),
        ({"context": {"layout": "2"}}, "knows 1 only"),
        ({"context": {TOKENS: None}}, "tokenRequests"),
        ({"context": {TOKENS: "{"}}, "tokenRequests"),
        ({"context": {TOKENS: '{"other.example": {"token": "secret-token"}}'}}, "tokenRequests"),
        ({"context": {TOKENS: f'{{"{DRIVER}": ["secret-token"]}}'}}, "tokenRequests"),
        ({"context": {TOKENS: f'{{"{DRIVER}": {{"token": ""}}}}'}}, "is none"),
        ({"context": {TOKENS: f'{{"{DRIVER}": {{"token": 7}}}}'}}, "is none"),
    ],
)
def test_claim_that_no_kubelet_makes_is_refused(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Malformed) as refusal:
        parse(tmp_path, **changes)
    assert sentence in str(refusal.value)
    assert "secret-token" not in str(refusal.value)
    assert refusal.value.__cause__ is None
