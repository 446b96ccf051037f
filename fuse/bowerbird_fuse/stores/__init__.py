"""Where the bytes of a view lie: one backend a module, all of one Protocol."""
