"""Somebody who stays in a view: one interpreter for many pieces of code, so that a hundred checks start no hundred processes."""

import json
import os
import select
import subprocess
import time
from textwrap import dedent
from typing import Any

from tests.support.data_rig import Failed, Person

ANSWER_SECONDS = 60.0


class Resident:
    """An interpreter that runs as a person, at the top of a view; close it before the view is unmounted.

    One that keeps has what a piece named and left open also in the next. Pieces have these further modules.
    """

    def __init__(self, person: Person, keep: bool = False, modules: tuple[str, ...] = ()) -> None:
        self.person = person
        self._child = person.spawn([], "keep" if keep else "stay", *modules, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.free = True

    def do(self, code: str, at: str = ".", **values: object) -> Any:
        """Run Python code in a directory of the view and return what it left in `answer`; Failed for an OSError."""
        self.begin(code, at, **values)
        return self.finish()

    def begin(self, code: str, at: str = ".", **values: object) -> None:
        """Start a piece; `finish` has its answer."""
        assert self.free, "the piece before this one has not been finished"
        assert self._child.stdin is not None
        piece = "".join(f"{name} = {value!r}\n" for name, value in values.items()) + dedent(code)
        self._child.stdin.write(json.dumps({"code": piece, "at": at}) + "\n")
        self._child.stdin.flush()
        self.free = False

    def finish(self, seconds: float = ANSWER_SECONDS) -> Any:
        """Return what the piece that was begun left in `answer`; it must come within that time."""
        said = json.loads(self._line(seconds))
        self.free = True
        assert "failed" not in said, said["failed"]
        if "errno" in said:
            raise Failed(said["errno"], said["text"])
        return said["answer"]

    def busy(self) -> bool:
        """Tell whether a piece that was begun has not ended yet."""
        assert self._child.stdout is not None
        return not self.free and not select.select([self._child.stdout], [], [], 0)[0]

    def _line(self, seconds: float) -> bytes:
        assert self._child.stdout is not None
        end, line = time.monotonic() + seconds, b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self._child.stdout], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"no answer within {seconds} s"
            more = os.read(self._child.stdout.fileno(), 1 << 16)
            assert more, f"ended with {self._child.wait()}"
            line += more
        return line

    def close(self) -> None:
        """End the interpreter, whatever it does."""
        self._child.kill()
        self._child.wait(20)
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()
