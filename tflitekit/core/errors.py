"""The errors that the kit raises: what happened, why, and what to do next.

One root class, caught once in the command line, which turns it into a message and an exit code.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = [
    "MORE_MEMORY",
    "OTHER_OUT",
    "ApkError",
    "BundleError",
    "BusyError",
    "CheckFailedError",
    "ClusterLostError",
    "ContractError",
    "ConversionError",
    "CrashError",
    "DataError",
    "DeviceError",
    "LostWorkerError",
    "MachineError",
    "MissingDependencyError",
    "ModelError",
    "OutOfMemoryError",
    "PackageError",
    "StorageError",
    "StoreError",
    "StoredReportError",
    "TflitekitError",
    "TrackingError",
    "UnreadableError",
    "UsageError",
    "as_known",
    "disk_errors",
    "disk_full",
    "package_adds",
    "package_of",
]


class TflitekitError(Exception):
    """Root of all errors of the kit.

    Args:
        what: One sentence that says what happened, in the user's own names.
        why: The reason, where there is more to say.
        fix: What to do next.
    """

    exit_code = 2

    def __init__(self, what: str, *, why: str | None = None, fix: str | None = None) -> None:
        self.what, self.why, self.fix = what, why, fix
        super().__init__("\n".join(part for part in (what, why, fix) if part))

    def to_json(self) -> dict[str, str | None]:
        """Returns the error for ``--json`` and for crossing from a worker to its parent."""
        return {"type": type(self).__name__, "what": self.what, "why": self.why, "fix": self.fix}

    @staticmethod
    def from_json(details: Mapping[str, str]) -> TflitekitError:
        """Returns what `to_json` wrote, of the same class."""
        kind = globals().get(details["type"], TflitekitError)
        error: TflitekitError = kind.__new__(kind)
        TflitekitError.__init__(error, details["what"], why=details["why"], fix=details["fix"])
        return error


class UsageError(TflitekitError):
    """An option or argument that cannot be."""


class ModelError(TflitekitError):
    """A model (Keras, SavedModel or ``.tflite``) that is missing, broken or cannot be used."""


class UnreadableError(TflitekitError):
    """A file that is not there, cannot be read, or does not hold what it should; who knows what it was for says so instead.

    Args:
        name: The file.
        reason: What is wrong with it, as the end of a sentence.
        missing: Whether it is not there.
    """

    reason = ""
    missing = False

    def __init__(self, name: str, reason: str, *, missing: bool = False, fix: str | None = None) -> None:
        self.reason, self.missing = reason, missing
        super().__init__(f"{name} cannot be read: {reason}.", fix=fix)


class ApkError(TflitekitError):
    """An Android package that is missing, is none, is broken, or is made to mislead its reader."""


class DataError(TflitekitError):
    """A data set that is missing, broken or does not fit the model."""


class NothingThereError(DataError):
    """A URL behind which there is nothing."""


class ContractError(TflitekitError):
    """Preprocessing or labels that are malformed or do not fit the model."""


class BundleError(TflitekitError):
    """A bundle that is damaged, incomplete or of a newer kind, or that cannot be made."""


class MissingDependencyError(TflitekitError):
    """An optional package that is needed and not installed."""


class BusyError(TflitekitError):
    """Another run is writing into the same folder."""


class DeviceError(TflitekitError):
    """A phone or a board that cannot be reached, or on which something goes wrong."""


class StorageError(TflitekitError):
    """The disk is full or a file cannot be written."""


class StoreError(TflitekitError):
    """A store of reports that cannot be reached, is damaged, or is of a newer kind."""


class StoredReportError(StoreError):
    """A stored report that is damaged or gone; the others can be read."""


class TrackingError(TflitekitError):
    """The tracker cannot be reached, or refuses what is logged."""


class ConversionError(TflitekitError):
    """A scheme that could not be built, or whose file does not keep its promise."""

    exit_code = 1


class PackageError(ConversionError):
    """A package that adds to the kit, and failed; where it was to make one of several variants, only that one fails."""

    @classmethod
    def of(cls, package: str, said: str, *, why: str | None = None) -> PackageError:
        """Returns the error for a package, from the end of a sentence."""
        fix = f"Fix the package, or uninstall it: pip uninstall {package}."
        return cls(f"The package '{package}' failed: {said}.", why=why, fix=fix)


class CrashError(ConversionError):
    """A child process that ended without a result."""


class OutOfMemoryError(CrashError):
    """Something that needed more memory than the machine, or a limit on it, would give; another machine may have more."""


class LostWorkerError(ConversionError):
    """A worker of a distributed training that cannot be reached any more."""


class MachineError(TflitekitError):
    """A machine of a cluster, or the cluster, that cannot do what it should; another machine may."""


class ClusterLostError(MachineError):
    """A cluster that no longer answers: nothing more can be done with it."""


class CheckFailedError(TflitekitError):
    """A constraint or a check that was not met."""

    exit_code = 1


_NO_ROOM = {
    errno.ENOSPC: ("The disk is full", "Free some space"),
    errno.EDQUOT: ("The disk quota is used up", "Free some space"),
    errno.EFBIG: ("The limit on the size of a file is too low", "Raise it (ulimit -f)"),
}
_LITTLE_BYTES = 1 << 20
_NO_FILES = (errno.EMFILE, errno.ENFILE)
_NO_MEMORY = (
    "std::bad_alloc", "ResourceExhaustedError", "OOM when allocating", os.strerror(errno.ENOMEM),
    "pthread_create() failed", "can't start new thread",
)  # fmt: skip
"""What C++, TensorFlow, Python and the system say where no memory is left, also for the stack of a thread."""
MORE_MEMORY = (
    "Close other programs, or give it a machine or a limit (ulimit -v) with more. Fewer at a time (--jobs 1) need less."
)


def disk_full(number: int, path: Path | str | None = None) -> StorageError:
    """Returns the error for a disk, a quota or a limit that leaves no room, by the system's error number."""
    what, remedy = _NO_ROOM[number]
    return StorageError(
        f"{what}: could not write {path}." if path is not None else f"{what}.",
        why="Finished files are kept.",
        fix=f"{remedy} and run the same command again: it continues where it stopped.",
    )


def as_known(error: BaseException) -> TflitekitError | None:
    """Returns what an exception of any library says about the machine: no room on the disk, no memory, or too many open files.

    Libraries wrap the system's error, or keep only its text. One that came out of a package that adds to the kit is that
    package's failure.
    """
    if isinstance(error, TflitekitError):
        return error
    seen: BaseException | None = error
    while seen is not None:
        number = seen.errno if isinstance(seen, OSError) else None
        for known in (*_NO_ROOM, *_NO_FILES):
            if number == known or os.strerror(known) in str(seen):
                return _of_number(known, getattr(seen, "filename2", None) or getattr(seen, "filename", None))
        if isinstance(seen, MemoryError) or any(words in str(seen) for words in _NO_MEMORY):
            return _out_of_memory(seen)
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return _of_package(error)


_packages: dict[str, str] = {}


def package_adds(module: str, package: str) -> None:
    """Remembers the module of a package that adds to the kit, so that `as_known` can name the package when it fails."""
    _packages[module.partition(".")[0]] = package


def package_of(module: str) -> str | None:
    """Returns the package that added a module to the kit; None for others."""
    return _packages.get(module.partition(".")[0])


def _of_package(error: BaseException) -> PackageError | None:
    """Returns which package raised an exception, or called what did, and where."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        package = package_of(str(frame.f_globals.get("__name__")))
        if package is not None:
            told = f": {text}" if (text := str(error).strip().rstrip(".")) else ""
            where = f"At {frame.f_code.co_filename}, line {line}, in {frame.f_code.co_name}."
            return PackageError.of(package, f"{type(error).__name__}{told}", why=where)
    return None


def _full_folder() -> str | None:
    """Returns a folder that has no room, of those that programs write to without naming them."""
    for folder in (tempfile.gettempdir(), Path.cwd()):
        with suppress(OSError):
            if shutil.disk_usage(folder).free < _LITTLE_BYTES:
                return str(folder)
    return None


def _of_number(number: int, path: str | None) -> TflitekitError:
    if number in _NO_ROOM:
        return disk_full(number, path or _full_folder())
    return UsageError(
        "Too many files are open: this shell allows too few for a process.",
        fix="Raise the limit with 'ulimit -n 1024' and run the same command again.",
    )


def _out_of_memory(error: BaseException) -> OutOfMemoryError:
    return OutOfMemoryError("There is not enough memory.", why=str(error).strip() or None, fix=MORE_MEMORY)


_UNWRITABLE = (
    errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOENT, errno.ENAMETOOLONG,
)  # fmt: skip


OTHER_OUT = "With --out, choose a folder that you may write to."


@contextmanager
def disk_errors(path: Path, fix: str = OTHER_OUT) -> Iterator[None]:
    """Turns the operating system's write errors below into a `StorageError` that names ``path``.

    Args:
        fix: What to do where it must not be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise disk_full(error.errno, path) from error
        if error.errno in _UNWRITABLE:
            raise StorageError(
                f"Cannot write {path}: {error.strerror}.",
                fix=fix,
            ) from error
        raise
