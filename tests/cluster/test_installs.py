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


@pytest.fixture
def kept(cluster: Cluster) -> Iterator[tuple[Object, Object]]:
    """A volume that is not made yet, and a claim of an earlier install, which is to have it; the StorageClass of both is gone."""
    volume, claim = shared_claim(_KEPT, f"{_KEPT}-hub", "/srv/kept")
    for each in (volume, claim):
        each["spec"]["storageClassName"] = "gone"
    owner = {f"meta.helm.sh/release-{part}": _KEPT for part in ("name", "namespace")}
    claim["metadata"] = {**claim["metadata"], "annotations": owner, "labels": {"app.kubernetes.io/managed-by": "Helm"}}
    with cluster.namespace(_KEPT):
        cluster.apply(claim)
        yield volume, claim
    cluster.kubectl("delete", "pv", volume["metadata"]["name"], "--ignore-not-found", "--wait=false")


def test_claim_needs_its_class_until_it_has_its_volume_and_then_keeps_it(cluster: Cluster, kept: tuple[Object, Object]):
    volume, claim = kept
    path = f"/api/v1/namespaces/{_KEPT}/persistentvolumeclaims/{claim['metadata']['name']}"
    told = {**values_for_tests(), "hub": {"volume": {"storageClass": "gone"}}}
    assert "hub.volume.storageClass: there is no StorageClass 'gone'; nothing was changed" in refusal(cluster, _KEPT, told)
    cluster.apply(volume)
    wait_for(lambda: cluster.get(path)["status"]["phase"] == "Bound", "the claim's volume", 30)
    would_install(cluster, _KEPT, told)
    told["hub"] = {"volume": {"storageClass": "local-path"}}
    words = "the claim 'kept-hub' in the namespace 'kept' is of StorageClass 'gone', which Kubernetes changes of no claim"
    assert f"hub.volume.storageClass: {words}; nothing was changed" in refusal(cluster, _KEPT, told)
    assert left(cluster, _KEPT) == set()
