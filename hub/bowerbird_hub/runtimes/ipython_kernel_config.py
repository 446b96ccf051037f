"""IPython's configuration in a sandbox: what a kernel's child processes print comes over a socket file, not over a port.

A port on the loopback answers every user of the machine. Kernels read this file before they open anything.
"""

import os
from typing import Any

import zmq
from ipykernel.iostream import IOPubThread
from zmq.eventloop.zmqstream import ZMQStream


def _address() -> str:
    return f"ipc://{os.environ['JUPYTER_RUNTIME_DIR']}/printed-{os.getpid()}"


def _setup_pipe_in(thread: Any) -> None:
    """Listen for what children print; ipykernel's own, but for the address."""
    thread._pipe_uuid = os.urandom(16)
    thread._pipe_port = _address()
    listening = thread.socket.context.socket(zmq.PULL)
    listening.linger = 0
    listening.bind(thread._pipe_port)
    thread._pipe_in = ZMQStream(listening, thread.io_loop)
    thread._pipe_in.on_recv(thread._handle_pipe_msg)


def _setup_pipe_out(thread: Any) -> tuple[Any, Any]:
    """Connect from a child, which must not use the context that it was forked with."""
    context: Any = zmq.Context()
    connected = context.socket(zmq.PUSH)
    connected.linger = 3000  # milliseconds, as ipykernel has it
    connected.connect(thread._pipe_port)
    return context, connected


if hasattr(IOPubThread, "_setup_pipe_in") and hasattr(IOPubThread, "_setup_pipe_out"):
    IOPubThread._setup_pipe_in = _setup_pipe_in  # type: ignore[method-assign]  # the address is written into the method
    IOPubThread._setup_pipe_out = _setup_pipe_out  # type: ignore[method-assign]  # and into this one
