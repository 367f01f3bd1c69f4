"""The process that owns an embedded PostgreSQL server.

It outlives the application that made it, serves every application that shares
the directory, and stops the server when the last of them is gone.

Rules of this package:

-   It imports the standard library only, and as little of it as it can (`pathlib` or
    `dataclasses` would each cost a fifth of a warm start): it runs
    with `python -I -S`, so neither waymark nor the user's application is ever
    imported, and a cold start stays short.
-   Everything is imported before privileges are dropped. A root application's
    interpreter may live under a home that the serving user cannot enter.
-   Whatever is written inside the instance's directory by this process is
    written as the serving user.

Theory of operation. Three lock files rule an instance:

-   `start.lock` is held while somebody decides: an application that looks for or
    starts the server, or the supervisor that stops it.
-   `share.lock` is held shared by each application for as long as it lives. The
    kernel gives it back whatever way the process ends.
-   `supervisor.lock` is held by the supervisor for as long as it lives.

The supervisor waits for `share.lock` exclusively, lets it go, takes `start.lock`
and then tries `share.lock` again. It must let go in between: an application that
holds `start.lock` asks for its share, and each would wait for the other.

    application                         supervisor
    start.lock  ───────────────┐
    share.lock (shared)        │
    supervisor.lock free? ─ spawn ───▶  supervisor.lock, initdb, server
    start.lock released ◀── ready ────  waits for share.lock
        ...                                 ...
    ends in any way ─────────────────▶  start.lock, share.lock: stops the server
"""
