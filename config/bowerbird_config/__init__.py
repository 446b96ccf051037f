"""The platform file as frozen types, the access decision, and the `bowerbird` command."""
