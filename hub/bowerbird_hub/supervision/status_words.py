"""What `status` prints for people."""

from bowerbird_config.model import format_size
from bowerbird_config.terminal import table
from bowerbird_hub.supervision.status import SpaceStatus, Status


def in_words(found: Status) -> str:
    """Return a status as a person reads it."""
    facts = [("platform", found.phase), ("url", found.url), ("demo accounts", found.demo_accounts), ("platform file", found.platform_file)]
    lines = [f"{name:<14} {value}" for name, value in facts if value]
    rows = [
        (process.name, str(process.pid or "-"), f"{process.memory_bytes / (1 << 20):.0f} MiB", str(process.restarts), process.health)
        for process in found.processes
    ]
    mounts = [(mount.user, str(mount.worker_pid or "-"), mount.health, mount.path) for mount in found.mounts]
    blocks = ["\n".join(lines), table(("process", "pid", "memory", "restarts", "health"), rows)]
    blocks.append(table(("view of", "worker", "health", "path"), mounts))
    made = [(each.name, each.state, each.message) for each in found.made]
    blocks.append(table(("made", "state", "what is to say"), made))
    blocks.append(table(("space", "used", "of", "trash"), [_space_row(space) for space in found.spaces]))
    blocks.append("\n".join(f"missing here: {lack}" for lack in found.missing))
    if found.problems:
        told = "\n".join(f"  {problem}" for problem in found.problems)
        blocks.append(f"the platform file is not in order; the last good one is in force:\n{told}")
    return "\n\n".join(block for block in blocks if block)


def _space_row(space: SpaceStatus) -> tuple[str, str, str, str]:
    limit = "-" if space.hard is None else format_size(space.hard) + (f", {space.level} % reached" if space.level else "")
    return space.space, f"{space.used / (1 << 20):.1f} MiB", limit, f"{space.trash / (1 << 20):.1f} MiB"
