"""The protocols of the Virtual Observatory, one a file."""
