"""What the workers of a test's cluster do: tasks that fail in all the ways that machines have."""

import os
import resource
import signal
import time
from pathlib import Path

from tflitekit.core.errors import DataError
from tflitekit.core.files import locked, write_whole


def name(value):
    return value


def die(once):
    """Dies, only the first time where there is a file to remember that by."""
    if once is None or not Path(once).exists():
        if once is not None:
            Path(once).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def hang(once):
    """Stops the whole process the first time."""
    if not Path(once).exists():
        Path(once).touch()
        os.kill(os.getpid(), signal.SIGSTOP)
    return "done"


def wait(began, ended):
    """Waits for ever, as the kit does: in short steps."""
    Path(began).touch()
    try:
        while True:
            time.sleep(0.1)
    finally:
        Path(ended).touch()


def write(folder, once):
    """Writes a file, the first time with no room for it."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    if not Path(once).exists():
        Path(once).touch()
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    try:
        write_whole(Path(folder) / "result.bin", bytes(1 << 16))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    return os.getpid()


def unmount(folder):
    """Loses its data while it reads them."""
    Path(folder).rename(f"{folder}-away")
    raise DataError(f"There is no data at {folder}.")


def hold(folder):
    with locked(Path(folder)):
        return "held"
