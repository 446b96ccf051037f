"""Installs that name what is not there, or cannot be: refused in a sentence, and nothing is made."""

import base64
from collections.abc import Iterator

import pytest

from tests.support.cluster.cluster import Cluster
from tests.support.cluster.machine import wait_for
from tests.support.cluster.objects import Object, shared_claim
from tests.support.cluster.release import left, refusal, values_for_tests, would_install

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("secrets.existingSecret", "nowhere", "there is no Secret 'nowhere' in the namespace 'lacking'"),
        ("database.existingSecret", "nowhere", "there is no Secret 'nowhere' in the namespace 'lacking'"),
        ("hub.volume.storageClass", "nowhere", "there is no StorageClass 'nowhere'"),
        ("services.volume.storageClass", "nowhere", "there is no StorageClass 'nowhere'"),
        ("services.volume.existingClaim", "nowhere", "there is no PersistentVolumeClaim 'nowhere' in the namespace 'lacking'"),
    ],
)
def test_install_that_names_what_is_not_there_is_refused_in_a_sentence_and_makes_nothing(
    cluster: Cluster, path: str, value: str, sentence: str
):
    told = values_for_tests()
    place = told
    *parts, last = path.split(".")
    for part in parts:
        place = place.setdefault(part, {})
    place[last] = value
    assert f"{path}: {sentence}; nothing was changed" in refusal(cluster, "lacking", told)
    assert left(cluster, "lacking") == set()
    assert not [each for each in cluster.get("/api/v1/namespaces")["items"] if each["metadata"]["name"].startswith("lacking")]


def test_install_whose_secret_lacks_a_key_is_refused_in_a_sentence(cluster: Cluster):
    told = {**values_for_tests(), "secrets": {"existingSecret": "partial"}}
    with cluster.namespace("partly") as name:
        data = {"proxy-token": base64.b64encode(b"of-the-proxy").decode()}
        cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "partial", "namespace": name}, "data": data})
        sentence = "secrets.existingSecret: the Secret 'partial' in the namespace 'partly' has no key 'cookie-secret'; nothing was changed"
        assert sentence in refusal(cluster, name, told)
        assert left(cluster, name) == set()


_KEPT = "kept"


def claim_of_before(part: str) -> tuple[Object, Object]:
    """Return a volume and the claim of an earlier install that is to have it; the StorageClass of both is gone."""
    volume, claim = shared_claim(_KEPT, f"{_KEPT}-{part}", "/srv/kept")
    for each in (volume, claim):
        each["spec"]["storageClassName"] = "gone"
    owner = {f"meta.helm.sh/release-{word}": _KEPT for word in ("name", "namespace")}
    claim["metadata"] = {**claim["metadata"], "annotations": owner, "labels": {"app.kubernetes.io/managed-by": "Helm"}}
    return volume, claim


@pytest.fixture
def kept(cluster: Cluster) -> Iterator[None]:
    """The hub's claim of an earlier install, which has its volume, and the services', which has none."""
    volume, bound = claim_of_before("hub")
    _, waiting = claim_of_before("services")
    path = f"/api/v1/namespaces/{_KEPT}/persistentvolumeclaims/{bound['metadata']['name']}"
    with cluster.namespace(_KEPT):
        cluster.apply(volume, bound, waiting)
        wait_for(lambda: cluster.get(path).get("status", {}).get("phase") == "Bound", "the claim's volume", 30)
        yield
    cluster.kubectl("delete", "pv", volume["metadata"]["name"], "--wait=false")


def test_claim_that_has_its_volume_needs_its_class_no_more_and_keeps_it(cluster: Cluster, kept: None):
    gone, other = ({"volume": {"storageClass": name}} for name in ("gone", "local-path"))
    told = {**values_for_tests(), "hub": gone}
    would_install(cluster, _KEPT, told)
    sentence = "services.volume.storageClass: there is no StorageClass 'gone'; nothing was changed"
    assert sentence in refusal(cluster, _KEPT, {**told, "services": gone})
    words = "the claim 'kept-hub' in the namespace 'kept' is of StorageClass 'gone', which Kubernetes changes of no claim"
    assert f"hub.volume.storageClass: {words}; nothing was changed" in refusal(cluster, _KEPT, {**told, "hub": other})
    assert left(cluster, _KEPT) == set()
