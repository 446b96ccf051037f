"""People's way into a cluster as k3s has it: Traefik leads the tests' own host, and all names below it, to a release's Ingress."""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from string import Template

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.cluster import images, programs
from tests.support.cluster.cluster import MANIFESTS, NODES, Cluster, condition
from tests.support.cluster.machine import wait_for
from tests.support.names import HOST

SECRET = "bowerbird-tls"
_SECONDS = 150
_PATH = "/apis/apps/v1/namespaces/kube-system/deployments/traefik"


@contextmanager
def traefik(cluster: Cluster) -> Iterator[None]:
    """Run Traefik on the first node while the block runs; the address of that node is its own."""
    cluster.load(images.kept_image("traefik", programs.traefik()), NODES[0])
    text = Template((MANIFESTS / "ingress/traefik.yaml").read_text(encoding="utf-8")).substitute(door=cluster.door)
    cluster.kubectl("apply", "-f", "-", text=text)
    try:
        wait_for(partial(_available, cluster), "Traefik", _SECONDS)
        yield
    finally:
        cluster.kubectl("delete", "-f", "-", "--wait=false", text=text)


def _available(cluster: Cluster) -> bool:
    return condition(cluster.get(_PATH), "Available")


def give_certificate(cluster: Cluster, namespace: str) -> None:
    """Make a namespace with a certificate for the host and all names below it, as docs/k3s.md says."""
    cluster.authority.certificate("ingress", HOST, hosts=[HOST, f"*.{HOST}"])
    cluster.kubectl("create", "namespace", namespace)
    folder = cluster.authority.folder
    files = (f"--cert={folder / 'ingress.crt'}", f"--key={folder / 'ingress.key'}")
    cluster.kubectl("-n", namespace, "create", "secret", "tls", SECRET, *files)


def authority(cluster: Cluster) -> Path:
    """Return the certificate of who vouches for it."""
    return cluster.authority.folder / "ca.crt"


def browser_arguments(cluster: Cluster) -> tuple[str, str]:
    """Return what tells Chromium where the host is, and to believe that certificate alone."""
    certificate = x509.load_pem_x509_certificate((cluster.authority.folder / "ingress.crt").read_bytes())
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    believed = base64.b64encode(hashlib.sha256(key).digest()).decode()
    return (
        f"--host-resolver-rules=MAP *.{HOST} {cluster.door}, MAP {HOST} {cluster.door}",
        f"--ignore-certificate-errors-spki-list={believed}",
    )
