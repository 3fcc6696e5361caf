"""What must not outlive a run: its processes, its temporary files, and how it ends on a signal."""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

__all__ = [
    "Stopped",
    "end_with_parent",
    "finished",
    "hold",
    "is_own",
    "live_without_parent",
    "scratch",
    "stoppable",
    "temporary_folder",
]

_PREFIX = "tflitekit-run-"
_MARK = ".running"
_SET_PARENT_DEATH_SIGNAL = 1
_AGAIN_S = 0.05
_heard: list[signal.Signals] = []


class Stopped(BaseException):
    """A signal asked the process to end.

    Python drops exceptions in finalizers and callbacks. One that is dropped before `finished` is raised again soon after.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number, self.exit_code = number, 128 + number

    def __del__(self) -> None:
        if _heard and hasattr(signal, "setitimer"):
            number = self.number
            signal.signal(signal.SIGALRM, lambda *_: _raise(number))
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)


def _raise(number: int) -> None:
    raise Stopped(number)


@contextmanager
def stoppable() -> Iterator[None]:
    """Within the block Ctrl-C, SIGTERM and SIGHUP raise `Stopped`, once: what follows is cleaning up, which is short.

    Signals that the process was started to ignore stay ignored. After the block all of them are: the process ends.
    """

    def stop(number: int, _frame: object) -> None:
        _ignore()
        raise Stopped(number)

    def dropped(what: sys.UnraisableHookArgs) -> None:
        if not isinstance(what.exc_value, Stopped):  # which is raised again
            report(what)

    report, sys.unraisablehook = sys.unraisablehook, dropped

    names = ("SIGINT", "SIGTERM", "SIGHUP")
    for number in (signal.Signals[name] for name in names if hasattr(signal, name)):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            _heard.append(number)
            signal.signal(number, stop)
    try:
        yield
    finally:
        finished()


def finished() -> None:
    """What the process is for is done, or was stopped: within `stoppable`, no signal changes how it ends any more."""
    _ignore()
    if _heard and hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)
    _heard.clear()


def _ignore() -> None:
    for number in _heard:
        signal.signal(number, signal.SIG_IGN)  # a function would make way for the default when the interpreter ends


def end_with_parent(parent: int) -> None:
    """Lets Linux end this process when the one that started it ends, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def live_without_parent() -> None:
    """Takes `end_with_parent` back, for a process that sees by itself that its parent ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, 0)


def hold(descriptor: int, *, shared: bool = False) -> bool | None:
    """Locks an open file until it is closed; returns False where another process holds it, None where nothing can be locked.

    Args:
        shared: Others may hold it so, too.
    """
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def is_own(descriptor: int, path: Path) -> bool:
    """Locks a file that was just made; returns False where another run took it for abandoned before."""
    if hold(descriptor) is False:
        return False
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def temporary_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A folder for as long as the block runs. Those that killed processes left beside it are removed first."""
    _remove_abandoned(parent, prefix)
    folder, mark = _make(parent, prefix)
    owner = os.getpid()
    try:
        yield folder
    finally:
        if os.getpid() == owner:  # not in a process that was forked meanwhile
            shutil.rmtree(folder, ignore_errors=True)
        os.close(mark)


def _make(parent: Path, prefix: str) -> tuple[Path, int]:
    """Returns a new folder, and the open file whose lock says that it is in use."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        try:
            mark = os.open(folder / _MARK, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:  # another run took it for abandoned before it was marked
            continue
        if is_own(mark, folder / _MARK):
            return folder, mark
        os.close(mark)


def _remove_abandoned(parent: Path, prefix: str) -> None:
    if sys.platform == "win32":
        return
    for folder in parent.glob(f"{prefix}*"):
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            try:
                mark = os.open(folder / _MARK, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
            except FileNotFoundError:
                folder.rmdir()  # killed before it was marked, so it is empty
                continue
            try:
                if hold(mark):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(mark)


_scratch: dict[tuple[int, Path], Path] = {}


def scratch(parent: Path | None = None) -> Path:
    """Returns the folder of this process's temporary files, in the system's folder for these or in ``parent``.

    It is removed when the process ends; after a kill, by the next run of the kit.
    """
    place = (os.getpid(), parent or Path(tempfile.gettempdir()))
    if place not in _scratch or not _scratch[place].is_dir():
        context = temporary_folder(place[1], _PREFIX)
        _scratch[place] = context.__enter__()
        atexit.register(context.__exit__, None, None, None)
    return _scratch[place]
