"""HTTP services of the platform; the first of them come with the Virtual Observatory."""
