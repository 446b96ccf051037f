"""Who signs in: CAS, what its directory says of people, and what the hub makes of it."""
