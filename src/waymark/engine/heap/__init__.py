"""What a run holds in memory, as bytes and back: the values codec, with forms for what
only exists inside of a run. See `engine.snapshot` for the theory."""
