"""The edge to pyfuse3: each kind of error becomes an errno, and none ends the worker."""

import errno
import logging
from collections.abc import Iterator

import pytest
import trio
from bowerbird_fuse import errors, wire
from bowerbird_fuse.errors import ERRNO, ViewError
from bowerbird_fuse.handles import Handles
from bowerbird_fuse.inodes import Inodes
from bowerbird_fuse.intents import Intents
from bowerbird_fuse.journal import Journal
from bowerbird_fuse.operations import ViewOperations, edge
from bowerbird_fuse.remains import Remains
from bowerbird_fuse.shelf import Shelf
from bowerbird_fuse.tree import Tree
from pyfuse3 import FUSEError


@pytest.fixture
def operations() -> Iterator[ViewOperations]:
    remains = Remains.make("test")
    journal, shelf = Journal(remains.journal), Shelf(remains.front, remains.back)
    yield ViewOperations(Tree(Inodes(journal)), Handles(journal, shelf), Intents(remains.intents, lambda: 2))
    shelf.close()
    wire.close_all([remains.journal, remains.intents])


def raised_for(operations: ViewOperations, error: BaseException) -> int:
    @edge
    async def handler(_: ViewOperations) -> None:
        raise error

    with pytest.raises(FUSEError) as caught:
        trio.run(handler, operations)
    return caught.value.errno


def test_every_error_of_a_view_has_its_errno(operations: ViewOperations) -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ViewError) and kind is not ViewError]
    assert set(kinds) == set(ERRNO)
    for kind in kinds:
        assert raised_for(operations, kind("why")) == ERRNO[kind]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EACCES])
def test_error_of_the_disk_is_passed_on(operations: ViewOperations, code: int) -> None:
    assert raised_for(operations, OSError(code, "why")) == code


@pytest.mark.parametrize("error", [ValueError("bug"), OverflowError("bug"), OSError("without a number"), RecursionError()])
def test_anything_else_is_eio_and_stands_in_the_log(operations: ViewOperations, error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert raised_for(operations, error) == errno.EIO
    assert isinstance(error, OSError) or "Traceback" in caplog.text


def test_every_handler_of_pyfuse3_that_we_have_stands_behind_the_edge(operations: ViewOperations) -> None:
    handlers = [name for name, value in vars(ViewOperations).items() if callable(value) and not name.startswith("_")]
    assert len(handlers) > 25
    for name in handlers:
        if name not in {"forget", "write_down"}:
            assert getattr(ViewOperations, name).__code__.co_name == "guarded", name


def test_forgetting_what_is_not_known_does_nothing(operations: ViewOperations) -> None:
    trio.run(operations.forget, [(4711, 1), (1, 1), (-1, 5)])
