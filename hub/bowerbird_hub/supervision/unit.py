"""The systemd unit of a platform."""

from pathlib import Path

_UNIT = """\
[Unit]
Description=Bowerbird science platform ({var})
After=network-online.target local-fs.target
Wants=network-online.target

[Service]
ExecStart={up}
ExecStop={down}
# Parts and servers outlive a supervisor that was killed, and the next one takes them over.
KillMode=process
Restart=on-failure
RestartSec=2
TimeoutStartSec=infinity
TimeoutStopSec=90
Delegate=yes

[Install]
WantedBy=multi-user.target
"""


def unit(root: Path, var: Path, platform_file: Path | None, port: int | None = None) -> str:
    """Return a unit that runs the checkout's `up` on that state directory."""
    launcher = str(root / "bowerbird")
    file = [str(platform_file)] if platform_file else []
    listening = [] if port is None else ["--port", str(port)]
    return _UNIT.format(
        var=str(var).replace("%", "%%"),
        up=_line([launcher, "up", *file, *listening, "--var", str(var)]),
        down=_line([launcher, "down", "--var", str(var)]),
    )


def _line(words: list[str]) -> str:
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    # systemd.service(5): % is a specifier, $ a variable; both are doubled, the rest is as in C within quotes.
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
