"""Installs that name what is not there: refused in a sentence, and nothing is made."""

import base64

import pytest

from tests.support.cluster.cluster import Cluster
from tests.support.cluster.release import left, refusal, values_for_tests

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
