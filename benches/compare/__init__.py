"""Waymark beside other libraries that keep work in Postgres. See `__main__.py`."""
