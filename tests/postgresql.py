"""A real PostgreSQL of Debian's package: a cluster of its own in a temporary folder, that listens on a socket there and nowhere else."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["open_postgresql"]

_SETTINGS = ("-c listen_addresses=''", "-c fsync=off", "-c shared_buffers=16MB")
_PATIENCE = ("-w", "-t", "300")


def _program(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


@contextmanager
def open_postgresql() -> Iterator[str]:
    """Starts a server and yields the URL of its database; without the package skips, but fails where CI runs."""
    initdb, control = map(_program, ("initdb", "pg_ctl"))
    if initdb is None or control is None:
        absent = "PostgreSQL is not installed (Debian package postgresql)"
        (pytest.fail if os.environ.get("CI", "").lower() == "true" else pytest.skip)(absent)
    # Not pytest's folder, which only its owner enters and whose name is too long for a socket. A server refuses to run as root.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(folder, "postgres")

    def run(*command: str) -> None:
        done = subprocess.run([*user, *command], cwd=folder, capture_output=True, text=True, check=False)
        log = folder / "log"
        assert done.returncode == 0, done.stderr + (log.read_text() if log.is_file() else "")

    try:
        run(initdb, "-D", f"{folder}/data", "-U", "kit", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
        options = " ".join((*_SETTINGS, f"-k {folder}"))
        run(control, "-D", f"{folder}/data", "-l", f"{folder}/log", "-o", options, *_PATIENCE, "start")
        try:
            yield f"postgresql+psycopg://kit:secret@/postgres?host={folder}"
        finally:
            run(control, "-D", f"{folder}/data", "-m", "immediate", *_PATIENCE, "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
