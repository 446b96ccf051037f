"""Runs a piece of Python as somebody else: `python person.py UID GID GROUPS` with the code on standard input.

The code says what it found in `answer`; that, or the errno of an OSError, is printed as JSON. Nothing is imported after the
uid has changed, since the interpreter may lie where only root can read.
"""

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import json
import mmap
import os
import shutil
import socket
import sqlite3
import stat
import sys
import threading
import time
from pathlib import Path


def main() -> None:
    uid, gid = int(sys.argv[1]), int(sys.argv[2])
    os.setgroups([int(group) for group in sys.argv[3].split(",")])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    os.umask(0o022)
    modules = (contextlib, ctypes, errno, fcntl, hashlib, json, mmap, os, shutil, socket, sqlite3, stat, sys, threading, time)
    names = {module.__name__: module for module in modules} | {"Path": Path, "answer": None}
    try:
        exec(sys.stdin.read(), names)  # noqa: S102  # the code is the test's own
        print(json.dumps({"answer": names["answer"]}))
    except OSError as error:
        print(json.dumps({"errno": errno.errorcode.get(error.errno or 0, str(error)), "text": str(error)}))


if __name__ == "__main__":
    main()
