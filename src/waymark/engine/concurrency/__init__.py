"""asyncio's objects as values of a run, over the machine's primitives."""
