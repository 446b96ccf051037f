"""From the files of releases to tables that can be queried: read, described, sorted by position, and put on the shelf."""
