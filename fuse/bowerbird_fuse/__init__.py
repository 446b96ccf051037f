"""The `/data` file system of Bowerbird: a keeper that mounts, and one unprivileged worker for each view."""
