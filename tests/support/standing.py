"""Somebody who stays: a process of a person that does one piece of code after another, and keeps what it has open and locked."""

import json
import socket
from textwrap import dedent
from typing import Any, Self

from tests.support.data_rig import Failed, Person

_SECONDS = 30.0

# What the pieces of code may use: files by a letter, and locks of each kind on them.
_PRELUDE = """
import signal, struct
channel = socket.socket(fileno=fd)
files = {}
READ, WRITE, NONE = fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK
SHARED, ALONE, FREE = fcntl.LOCK_SH | fcntl.LOCK_NB, fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_UN
OFD_SETLK, SETLK, SETLKW = 37, fcntl.F_SETLK, fcntl.F_SETLKW
def opened(path, name='f', flags=os.O_RDWR | os.O_CREAT): files[name] = os.open(path, flags, 0o666)
def close(name='f'): os.close(files.pop(name))
def lock(kind, start=0, length=0, name='f', how=SETLK): fcntl.fcntl(files[name], how, struct.pack('hhqqi4x', kind, 0, start, length, 0))
def wait(kind, start=0, length=0, name='f'): lock(kind, start, length, name, SETLKW)
def asked(kind, start=0, length=0, name='f'):
    told = fcntl.fcntl(files[name], fcntl.F_GETLK, struct.pack('hhqqi4x', kind, 0, start, length, 0))
    return list(struct.unpack('hhqqi4x', told)[i] for i in (0, 2, 3))
def whole(how, name='f'): fcntl.flock(files[name], how)
while True:
    code = channel.recv(1 << 16).decode()
    if not code: os._exit(0)
    answer = None
    try: exec(code)
    except OSError as error: said = {'errno': errno.errorcode[error.errno], 'text': str(error)}
    except Exception as error: said = {'errno': type(error).__name__, 'text': str(error)}
    else: said = {'answer': answer}
    channel.send(json.dumps(said).encode())
"""


class Standing:
    """A process of somebody; as a context manager it ends at the end."""

    def __init__(self, person: Person, path: str = "", **flags: Any) -> None:
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = person.start(_PRELUDE, pass_fds=(theirs.fileno(),), fd=theirs.fileno())
        if path:
            self.do("opened(path, **flags)", path=path, flags=flags)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait(_SECONDS)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        self.channel.close()

    def say(self, code: str, **values: object) -> None:
        """Let it begin a piece of code."""
        names = "".join(f"{name} = {value!r}\n" for name, value in values.items())
        self.channel.send((names + dedent(code)).encode())

    def hear(self, seconds: float = _SECONDS) -> Any:
        """Return what the piece left in `answer`; Failed for an OSError, TimeoutError where it is still at it."""
        self.channel.settimeout(seconds)
        said = json.loads(self.channel.recv(1 << 16))
        if "errno" in said:
            raise Failed(said["errno"], said["text"])
        return said["answer"]

    def do(self, code: str, **values: object) -> Any:
        """Do a piece of code and return what it left in `answer`."""
        self.say(code, **values)
        return self.hear()

    def refused(self, code: str) -> bool:
        """Tell whether a lock that does not wait is another's."""
        try:
            self.do(code)
        except Failed as error:
            if error.code not in {"EAGAIN", "EACCES"}:
                raise
            return True
        return False

    def waits(self, code: str, seconds: float = 0.15) -> bool:
        """Begin a piece of code, and tell whether it is still at it after a while."""
        self.say(code)
        try:
            self.hear(seconds)
        except TimeoutError:
            return True
        return False
