"""The room on the disk of a platform: what its start needs, what is kept free for it, and how the system says that there is none."""

import errno

# The working space that a first start needs beside the demo releases.
START_BYTES = 64 << 20
# What is made of the releases leaves so much free: sign-in, homes and logs write to the disk too.
RESERVE_BYTES = 2 * START_BYTES


def is_full(error: OSError) -> bool:
    """Tell whether it was for want of room alone, on the disk or of a quota, that something was not written."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}
