"""The stored form of a workflow: data, catalogue, checker, codec, identity."""
