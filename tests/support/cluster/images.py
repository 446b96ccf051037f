"""Images for the cluster, written as docker archives without any container tool."""

import hashlib
import io
import json
import platform
import re
import subprocess
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from tests.support.cluster.kept import kept

PROBE = "localhost/probe:1"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# A shell, what tests do in it, and Debian's Python: everything else they need is a few lines of that.
_TOOLS = ("cat", "chmod", "cp", "dd", "env", "id", "ls", "mkdir", "mv", "rm", "sleep", "stat", "sync", "test", "touch", "true")
_LEFT_OUT = ("/dist-packages/", "/test/", "/idlelib/", "/lib2to3/", "/ensurepip/", "/config-", "tkinter", "/turtledemo/", "/pydoc_data/")
_ACCOUNTS = {"etc/passwd": "root:x:0:0:root:/root:/bin/sh\nprobe:x:1000:1000::/tmp:/bin/sh\n", "etc/group": "root:x:0:\nprobe:x:1000:\n"}
# As the specification of OCI's images names them.
_MANIFEST, _CONFIG = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_FOLDERS = {"tmp": 0o1777, "etc": 0o755, "root": 0o700, "var": 0o755, "run": 0o755}


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link in an image."""

    target: str


Files = Mapping[str, Path | str | bytes | Link]


def write(archive: Path, name: str, entrypoint: Sequence[str], files: Files, where: str = "/usr/bin:/bin") -> None:
    """Write an image of one layer: files by their path in it, each a file of this machine, a text, bytes or a link.

    WHERE its programs lie is its PATH.
    """
    layer = _layer(files)
    config = _config(entrypoint, where, [_digest(layer)])
    named = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": named, "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    _write_tar(archive, {named: config, "layer.tar": layer, "manifest.json": manifest})


def write_upon(archive: Path, name: str, entrypoint: Sequence[str], below: Path, files: Files, where: str) -> None:
    """Write an image of files upon the one layer of another, which has to be there first: the archive has it not."""
    with tarfile.open(below) as tar, _member(tar, "layer.tar") as file:
        under = _blob(_LAYER, file.read())
    layer = _layer(files)
    config = _config(entrypoint, where, [under["digest"], _digest(layer)])
    told = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": _blob(_CONFIG, config), "layers": [under, _blob(_LAYER, layer)]}
    manifest = json.dumps(told).encode()
    named = {**_blob(_MANIFEST, manifest), "annotations": {"io.containerd.image.name": name}}
    blobs = {f"blobs/{_digest(blob).replace(':', '/')}": blob for blob in (config, layer, manifest)}
    index = json.dumps({"schemaVersion": 2, "manifests": [named]}).encode()
    _write_tar(archive, {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', **blobs, "index.json": index})


def _layer(files: Files) -> bytes:
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for folder, mode in _FOLDERS.items():
            entry = _entry(folder, mode)
            entry.type = tarfile.DIRTYPE
            tar.addfile(entry)
        for path, content in sorted(files.items()):
            _add(tar, path.lstrip("/"), content)
    return layer.getvalue()


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    file = tar.extractfile(name)
    assert file is not None
    return file


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _blob(kind: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": _digest(blob), "size": len(blob)}


def _entry(path: str, mode: int, size: int = 0) -> tarfile.TarInfo:
    """Return an entry that tells nothing of when or by whom, so that the same files make the same image."""
    entry = tarfile.TarInfo(path)
    entry.mode, entry.size = mode, size
    return entry


def _add(tar: tarfile.TarFile, path: str, content: Path | str | bytes | Link) -> None:
    if isinstance(content, Link):
        entry = _entry(path, 0o777)
        entry.type, entry.linkname = tarfile.SYMTYPE, content.target
        tar.addfile(entry)
        return
    if isinstance(content, str | bytes):
        encoded = content.encode() if isinstance(content, str) else content
        tar.addfile(_entry(path, 0o755 if encoded.startswith(b"#!") else 0o644, len(encoded)), io.BytesIO(encoded))
        return
    with content.open("rb") as file:
        tar.addfile(_entry(path, 0o755, content.stat().st_size), file)


def _config(entrypoint: Sequence[str], where: str, layers: Sequence[str]) -> bytes:
    told = {
        "architecture": _ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": {"Entrypoint": list(entrypoint), "Env": [f"PATH={where}"], "WorkingDir": "/tmp"},
        "rootfs": {"type": "layers", "diff_ids": list(layers)},
    }
    return json.dumps(told).encode()


def _write_tar(archive: Path, files: Mapping[str, bytes]) -> None:
    with tarfile.open(archive, "w") as tar:
        for path, content in files.items():
            tar.addfile(_entry(path, 0o644, len(content)), io.BytesIO(content))


def probe_files() -> dict[str, Path | str]:
    """Return the files of the tests' own image, taken from this machine: a shell, a few tools, and Python with its library."""
    programs = {f"usr/bin/{name}": Path("/usr/bin", name) for name in _TOOLS}
    programs |= {"bin/sh": Path("/bin/sh"), "usr/bin/python3": Path("/usr/bin/python3")}
    return {**_ACCOUNTS, **with_libraries({**programs, **_library(Path("/usr/lib") / Path("/usr/bin/python3").resolve().name)})}


def with_libraries(files: Mapping[str, Path]) -> dict[str, Path]:
    """Return files of this machine with the shared libraries of the programs among them, each once."""
    binaries = [path for name, path in files.items() if ".so" in path.name or "bin/" in name]
    # A library that a wheel brings along is found beside what needs it.
    there = {path.resolve() for path in files.values()}
    return {**{name: path for name, path in _linked(binaries).items() if path.resolve() not in there}, **files}


def _library(folder: Path) -> dict[str, Path]:
    found = (path for path in folder.rglob("*") if path.is_file() and not any(part in f"{path}" for part in _LEFT_OUT))
    return {f"{path}".lstrip("/"): path for path in found}


def _linked(binaries: Iterable[Path]) -> dict[str, Path]:
    """Return the shared libraries of programs, under the paths where their loader looks."""
    said = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=False, timeout=60).stdout
    # `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`, and the loader itself without an arrow.
    named = re.findall(r"^\t(?:.+ => )?(/.+) \(0x[0-9a-f]+\)$", said, re.MULTILINE)
    return {name.lstrip("/"): Path(name) for name in named}


def _key(programs: Path) -> str:
    """Return a hash that changes with what the images are made of: our programs, Debian's packages, this file."""
    return hashlib.sha256(f"{programs} {debian()} {Path(__file__).read_text()}".encode()).hexdigest()[:16]


def debian() -> str:
    """Return a hash of which packages of Debian this machine has."""
    return hashlib.sha256(Path("/var/lib/dpkg/status").read_bytes()).hexdigest()


def kept_images(programs: Path) -> list[Path]:
    """Return the archives of the images that every cluster starts with."""
    return sorted(kept("images", _key(programs), partial(_write_all, programs)).glob("*.tar"))


def kept_image(name: str, programs: Path) -> Path:
    """Return the archive of an image `localhost/NAME:1` of one program, which a test loads where it needs it."""
    return kept(f"image-{name}", _key(programs), lambda folder: _write_program(name, programs, folder)) / f"{name}.tar"


def _write_program(name: str, programs: Path, folder: Path) -> None:
    write(folder / f"{name}.tar", f"localhost/{name}:1", [f"/{name}"], {name: programs / name})


def _write_all(programs: Path, folder: Path) -> None:
    for name in ("pause", "dns", "local-path-provisioner"):
        _write_program(name, programs, folder)
    write(folder / "probe.tar", PROBE, ["/usr/bin/python3"], probe_files())
