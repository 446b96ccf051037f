"""The smallest single-user server: it answers, in the place of JupyterLab, where it is the hub's work that is tried."""

import socket

_PORT = 8888
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
_LONGEST = 1 << 16


def main() -> None:
    """Answer whatever is asked, one after the other."""
    with socket.create_server(("", _PORT), backlog=64) as listening:
        while True:
            connection, _ = listening.accept()
            with connection:
                connection.recv(_LONGEST)
                connection.sendall(_ANSWER)


if __name__ == "__main__":
    main()
