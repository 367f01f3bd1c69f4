"""A cluster on disk: making it, and clearing what a killed server left behind."""

from __future__ import annotations

import errno
import os
import stat
import sys
from os.path import join

from .layout import DATABASE, SOCKET_NAME, USER, Layout
from .process import run

#: Room for a socket's path, without the closing NUL.
SOCKET_PATH_BYTES_MAX = 107 if sys.platform.startswith("linux") else 103

#: Where the socket goes when the instance's own path is too long. The directory
#: made there has an unguessable name and mode 0700.
SHORT_PARENT = "/tmp"  # noqa: S108 - see above


class SetupFailed(Exception):
    """The server cannot be provided; the text is for the user."""


def make_cluster(layout: Layout, binaries: str) -> None:
    """Make the cluster unless it is there. All of it appears at once, flushed
    to disk, or nothing."""
    if os.path.exists(join(layout.cluster, "PG_VERSION")):
        os.chmod(layout.cluster, 0o700)  # some volume mounts open what they hold
        return
    _remove_tree(layout.staging)
    initdb = [join(binaries, "initdb"), "--auth=trust", "--encoding=UTF8", "--locale=C"]
    if run([*initdb, f"--username={USER}", f"--pgdata={layout.staging}"]) != 0:
        raise SetupFailed("initdb could not make the database cluster")
    single = [join(binaries, "postgres"), "--single", "-D", layout.staging]
    rename = f"ALTER DATABASE postgres RENAME TO {DATABASE};\n"
    if run([*single, "template1"], rename.encode()) != 0:
        raise SetupFailed(f"the database {DATABASE!r} could not be made")
    os.rename(layout.staging, layout.cluster)
    _flush_directory(layout.instance)


def choose_socket_directory(layout: Layout) -> str:
    """A directory that only this user may enter, with a path that fits."""
    if _fits(layout.run):
        _make_private(layout.run)
        return _note_socket_directory(layout, layout.run)
    noted = read_socket_directory(layout, os.geteuid())
    if noted is not None:
        return noted
    for parent in (os.environ.get("TMPDIR", SHORT_PARENT), SHORT_PARENT):
        short = join(parent, f"waymark-{os.urandom(6).hex()}")
        if _fits(short) and os.access(parent, os.W_OK):
            os.mkdir(short, 0o700)
            return _note_socket_directory(layout, short)
    raise SetupFailed("no directory with a short path was found for the server's socket")


def read_socket_directory(layout: Layout, uid: int) -> str | None:
    """The noted directory of the socket, if it is still `uid`'s own and private."""
    try:
        with open(layout.socket_note, encoding="utf-8", errors="surrogateescape") as note:
            directory = note.read()
        found = os.lstat(directory)
    except (OSError, ValueError):
        return None
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    return directory if private and found.st_uid == uid else None


def clear_stale_server(layout: Layout, socket_directory: str) -> None:
    """Remove the notes of a server that is gone.

    PostgreSQL does so itself when the noted pid is free. It refuses when the
    number now belongs to another process of this user or to a zombie, and then
    the proof that this is no server of ours must come from here. (That no
    backend of it lives on is PostgreSQL's own check, by shared memory.)
    """
    for note in (layout.postmaster_note, join(socket_directory, f"{SOCKET_NAME}.lock")):
        pid = _noted_pid(note)
        if pid is not None and pid != os.getpid() and not serves(pid, layout.cluster):
            os.unlink(note)


def noted_server(layout: Layout) -> int | None:
    """The pid of a live server of this cluster."""
    pid = _noted_pid(layout.postmaster_note)
    return pid if pid is not None and serves(pid, layout.cluster) else None


def serves(pid: int, cluster: str) -> bool:
    """Whether `pid` is a live server of this cluster. A postmaster's working
    directory is its cluster."""
    try:
        os.kill(pid, 0)
    except OSError as error:
        # EPERM: another user's process, so not the server of our directory.
        return error.errno not in (errno.ESRCH, errno.EPERM)
    if os.path.exists("/proc/self/stat"):
        return _serves_by_proc(pid, cluster)
    return _serves_by_command(pid, cluster)


def _serves_by_proc(pid: int, cluster: str) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as status:
            state = status.read().rpartition(")")[2].split()[0]
        return state not in ("Z", "X") and os.path.samefile(f"/proc/{pid}/cwd", cluster)
    except OSError:
        return False


def _serves_by_command(pid: int, cluster: str) -> bool:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    actions = [(os.POSIX_SPAWN_DUP2, writer, 1)]
    command = ["ps", "-ww", "-o", "state=,command=", "-p", str(pid)]
    child = os.posix_spawn("/bin/ps", command, dict(os.environ), file_actions=actions)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8", errors="surrogateescape") as output:
        text = output.read().strip()
    os.waitpid(child, 0)
    return not text.startswith("Z") and cluster in text


def _noted_pid(note: str) -> int | None:
    try:
        with open(note, encoding="utf-8", errors="replace") as lines:
            return abs(int(lines.readline()))
    except (OSError, ValueError):
        return None


def _fits(directory: str) -> bool:
    # A comma separates directories in connection URLs, a double quote and a
    # backslash need care in the server's own setting.
    plain = not any(character in ',"\\' or character < " " for character in directory)
    return plain and len(os.fsencode(join(directory, SOCKET_NAME))) <= SOCKET_PATH_BYTES_MAX


def _note_socket_directory(layout: Layout, directory: str) -> str:
    draft = f"{layout.socket_note}.new"
    with open(draft, "w", encoding="utf-8", errors="surrogateescape") as note:
        note.write(directory)
    os.replace(draft, layout.socket_note)
    return directory


def _make_private(directory: str) -> None:
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        os.chmod(directory, 0o700)


def _flush_directory(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_tree(directory: str) -> None:
    for parent, directories, files in os.walk(directory, topdown=False):
        for name in files:
            os.unlink(join(parent, name))
        for name in directories:
            path = join(parent, name)
            (os.unlink if os.path.islink(path) else os.rmdir)(path)
    if os.path.isdir(directory):
        os.rmdir(directory)
