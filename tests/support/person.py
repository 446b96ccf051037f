"""Runs pieces of Python as somebody else: `python person.py UID GID GROUPS [stay | keep] [MODULE…]`.

A piece says what it found in `answer`; that, or the errno of an OSError, is printed as JSON. Without a further word the whole
standard input is one piece; with one, each line is: as JSON, with the directory it begins in. After each piece of who stays all
is closed that it left open; of who keeps, names and open files are there for the next one.
Nothing is imported after the uid has changed, since the interpreter may lie where only root can read.
"""

import contextlib
import ctypes
import errno
import fcntl
import gc
import hashlib
import importlib
import json
import mmap
import os
import random
import resource
import select
import shutil
import signal
import socket
import sqlite3
import stat
import struct
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

MODULES: tuple[ModuleType, ...] = (
    *(contextlib, ctypes, errno, fcntl, hashlib, json, mmap, os, random, resource, select, shutil, signal, socket, sqlite3, stat, struct),
    *(subprocess, sys, threading, time),
)
TOP = os.getcwd()


def main() -> None:
    global MODULES  # noqa: PLW0603  # what a piece may use is said once, at the start
    MODULES += tuple(map(importlib.import_module, sys.argv[5:]))
    uid, gid = int(sys.argv[1]), int(sys.argv[2])
    os.setgroups([int(group) for group in sys.argv[3].split(",")])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    os.umask(0o022)
    if sys.argv[4:]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        stay(keep=sys.argv[4] == "keep")
    else:
        print(json.dumps(run(sys.stdin.read(), provided())))


def provided() -> dict[str, Any]:
    """Return the names that a piece has from the start."""
    return {module.__name__: module for module in MODULES} | {"Path": Path, "answer": None}


def run(code: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run a piece and return what it found, or the errno it ended with."""
    try:
        exec(code, names)  # noqa: S102  # the code is the test's own
        return {"answer": names["answer"]}
    except OSError as error:
        return {"errno": errno.errorcode.get(error.errno or 0, str(error)), "text": str(error)}


def stay(keep: bool) -> None:
    """Run pieces until the input ends."""
    kept = provided()
    for line in sys.stdin:
        piece = json.loads(line)
        try:
            os.chdir(os.path.join(TOP, piece["at"]))
            said = run(piece["code"], kept if keep else provided())
        except Exception:  # whatever it is, whoever asked is told
            said = {"failed": traceback.format_exc()}
        if not keep:
            clean()
        print(json.dumps(said), flush=True)


def clean() -> None:
    """Stand and have open again what one stood in and had open at the start."""
    os.chdir("/")
    os.umask(0o022)
    if os.listdir("/proc/self/fd")[4:]:
        gc.collect()  # a file object that is found later would close a number that is another file's by then
        os.closerange(3, 1 << 16)


if __name__ == "__main__":
    main()
