"""A main process whose first worker is of no use: `python -m tests.services.bad_worker MARK FAULT`.

The first one makes the file MARK, leaves FAULT on its line and ends; the next one tells what it should. Where FAULT is FILES, no file
can be opened when the first one is to be started. A line is printed when a worker tells what it should.
"""

import argparse
import asyncio
import os
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bowerbird_services import worker_line
from bowerbird_services.answers import Answers
from bowerbird_services.image_worker import ImageWorker
from bowerbird_services.listening import listening
from bowerbird_services.slots import Slots
from bowerbird_services.worker_line import Inherited

FILES = "files"
_MOST_FILES = 64


@contextmanager
def _no_file_left() -> Iterator[None]:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MOST_FILES, most))
    opened: list[int] = []
    try:
        while True:
            opened.append(os.dup(0))
    except OSError:
        yield
    finally:
        for number in opened:
            os.close(number)


async def _until(holds: Callable[[], object]) -> None:
    while not holds():  # noqa: ASYNC110 - there is no event, and no file left for a thread's beginning
        await asyncio.sleep(0.01)


async def _main(fault: str) -> None:
    answers = Answers()
    with listening("127.0.0.1", 0) as images, Slots() as slots:
        worker = ImageWorker(images, slots, answers)
        if fault == FILES:
            with _no_file_left():
                worker.start()
                await _until(worker.trouble)
        else:
            worker.start()
        await _until(lambda: answers.workers and not worker.trouble())
        print("a worker tells", flush=True)
        await worker.end()


def _worker(given: Inherited, mark: Path, fault: str) -> None:
    answers = Answers()
    with socket.socket(fileno=given.line) as line:
        if fault != FILES and not mark.exists():
            mark.touch()
            line.sendall(fault.encode())
            return
        line.sendall(worker_line.told(answers, None))
        while line.recv(1):
            pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("mark", type=Path)
    parser.add_argument("fault")
    worker_line.add_option(parser)
    arguments = parser.parse_args()
    if arguments.worker:
        _worker(arguments.worker, arguments.mark, arguments.fault)
    else:
        asyncio.run(_main(arguments.fault))
