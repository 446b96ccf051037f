"""Where single-user servers run: one spawner a file, each thin."""
