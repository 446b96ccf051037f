"""The recipe of the demo releases: real data out of ordinary packages, laid out as releases."""
