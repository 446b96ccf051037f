"""The state directory: its layout and files, logs, backup and restore."""
