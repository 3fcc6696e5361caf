"""What the workers of a test's cluster do: tasks that fail in all the ways that machines have."""

import os
import resource
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from tflitekit.cluster import seen, wanted
from tflitekit.cluster.at_work import AtWork
from tflitekit.cluster.tasks import attempt
from tflitekit.cluster.telling import Telling
from tflitekit.core import machine_lock
from tflitekit.core.errors import DataError
from tflitekit.core.files import locked, write_whole
from tflitekit.results import Constraints, Report


def name(value, go=None):
    held(go)
    return value


def held(go):
    """Waits until there is a file, where one is named."""
    while go is not None and not Path(go).exists():
        time.sleep(0.05)


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


@contextmanager
def limited_once(limit, most, once):
    """Sets a limit of the process, the first time."""
    limits = resource.getrlimit(limit)
    if not Path(once).exists():
        Path(once).touch()
        resource.setrlimit(limit, (most, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(limit, limits)


def write(folder, once):
    """Writes a file, the first time with no room for it."""
    with limited_once(resource.RLIMIT_FSIZE, 1024, once):
        write_whole(Path(folder) / "result.bin", bytes(1 << 16))


def allocate(once):
    """Needs memory, the first time more than the process may have."""
    with limited_once(resource.RLIMIT_AS, 1 << 30, once):
        return len(bytes(1 << 30)) >> 30


def unmount(folder, once=None):
    """Loses its data while it reads them, only the first time where there is a file to remember that by."""
    if once is None or not Path(once).exists():
        if once is not None:
            Path(once).touch()
        Path(folder).rename(f"{folder}-away")
        raise DataError(f"There is no data at {folder}.")
    return [path.name for path in Path(folder).iterdir()]


def read(folder, go=None):
    """Reads its data."""
    held(go)
    found = [path.name for path in Path(folder).iterdir()]
    if not found:
        raise DataError(f"There is no data at {folder}.")
    return found


def no_answer(folder, once):
    """Reads data behind a file system that stops to answer, for which a thread stands that waits; the first time only."""
    if not Path(once).exists():
        Path(once).touch()
        waits = threading.Event()
        seen._missing, seen._MOST_IN_VAIN = lambda place: waits.wait(), 4
        waits.wait()
    return [path.name for path in Path(folder).iterdir()]


def piece(seconds, name, locks, heard):
    """Does a piece of a run's work, then measures until somebody was heard to wait.

    Returns when it began and ended to do either, by the clock that all processes share.
    """
    with (
        mock.patch.multiple(machine_lock, _FOLDER=Path(locks), _TELL_S=0.05),
        AtWork(Telling(), name, attempt()) as crew,
    ):
        worked = [time.monotonic()]
        time.sleep(seconds)
        worked.append(time.monotonic())
        with crew.alone(here=True):
            measured = [time.monotonic()]
            while not Path(heard).exists():
                time.sleep(0.05)
            measured.append(time.monotonic())
    return {"worked": worked, "measured": measured}


def hold(folder):
    with locked(Path(folder)):
        return "held"


def stuck(began, ended):
    """Waits where no exception arrives, as a thread does whose next lock was never unlocked. Its worker loses patience soon."""
    wanted._MOST = 4
    lock = threading.Lock()
    lock.acquire()
    Path(began).touch()
    lock.acquire()


def fit():
    """Does what memory suffices for where no other machine will try."""
    found = attempt()
    if not found.last:
        raise MemoryError(f"attempt {len(found.said) + 1}")
    return list(found.said)


def half(folder):
    """Finishes one file in each attempt, and memory does not suffice before the last; returns what it finds."""
    found = sorted(path.name for path in Path(folder).glob("*.txt"))
    write_whole(Path(folder) / f"{len(found)}.txt", b"finished")
    if not attempt().last:
        raise MemoryError
    return found


def when_made():
    """Returns when a report says that it was made."""
    nothing = dict.fromkeys(("source", "dataset", "contract", "baseline", "recommendation"))
    return Report.made_now(**nothing, constraints=Constraints(), variants=()).created
