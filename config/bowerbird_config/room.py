"""The room on the disk of a platform: what its start needs, and what is kept free for it."""

# The working space that a first start needs beside the demo releases.
START_BYTES = 64 << 20
# What is made of the releases leaves so much free: sign-in, homes and logs write to the disk too.
RESERVE_BYTES = 2 * START_BYTES
