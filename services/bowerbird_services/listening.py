"""The sockets that the service listens at."""

import socket


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; port 0 is any that is free."""
    # TCP by name: without it asyncio leaves Nagle's algorithm on, and each answer waits 40 ms for an acknowledgement.
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)[0]
    found = socket.socket(family, kind, protocol)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(address)
    found.listen()
    found.setblocking(False)
    return found
