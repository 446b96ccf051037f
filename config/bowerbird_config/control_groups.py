"""What the kernel says in the files of a control group, to the hub and to node plugins alike."""


def memory_kills(counts: str) -> int:
    """Return how many processes were ended one by one for want of memory, by a `memory.oom_control` or `memory.events`.

    A group that was ended whole is told by whoever looks after it.
    """
    found = dict(line.split() for line in counts.splitlines())
    return 0 if int(found.get("oom_group_kill", 0)) else int(found.get("oom_kill", 0))
