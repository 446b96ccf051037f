"""A stand-in for the holder: answers who asks whether it lives."""

import socket
import sys
from pathlib import Path

from behaviour import begin
from bowerbird_config.sockets import listen


def main() -> None:
    """Run until killed."""
    path = Path(sys.argv[sys.argv.index("--socket") + 1])
    begin("holder")
    with listen(path, kind=socket.SOCK_SEQPACKET) as listener:
        while True:
            connection, _ = listener.accept()
            with connection:
                if connection.recv(64):
                    connection.send(b"?")


if __name__ == "__main__":
    main()
