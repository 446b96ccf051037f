"""The running platform file and the identities that it makes, kept and served to the other processes."""
