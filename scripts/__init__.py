"""What sets a checkout up and checks it; standard library only, run by the system's own Python."""
