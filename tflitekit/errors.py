"""The errors that the kit raises: what happened, why, and what to do next.

One root class, caught once in the command line, which turns it into a message and an exit code.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "ApkError",
    "BundleError",
    "BusyError",
    "CheckFailedError",
    "ContractError",
    "ConversionError",
    "CrashError",
    "DataError",
    "LostWorkerError",
    "MissingDependencyError",
    "ModelError",
    "StorageError",
    "TflitekitError",
    "TrackingError",
    "UnreadableError",
    "UsageError",
    "disk_errors",
    "disk_full",
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

    def __init__(self, name: str, reason: str, *, missing: bool = False, fix: str | None = None) -> None:
        self.reason, self.missing = reason, missing
        super().__init__(f"{name} cannot be read: {reason}.", fix=fix)


class ApkError(TflitekitError):
    """An Android package that is missing, is none, is broken, or is made to mislead its reader."""


class DataError(TflitekitError):
    """A data set that is missing, broken or does not fit the model."""


class ContractError(TflitekitError):
    """Preprocessing or labels that are malformed or do not fit the model."""


class BundleError(TflitekitError):
    """A bundle that is damaged, incomplete or of a newer kind, or that cannot be made."""


class MissingDependencyError(TflitekitError):
    """An optional package that is needed and not installed."""


class BusyError(TflitekitError):
    """Another run is writing into the same folder."""


class StorageError(TflitekitError):
    """The disk is full or a file cannot be written."""


class TrackingError(TflitekitError):
    """The tracker cannot be reached, or refuses what is logged."""


class ConversionError(TflitekitError):
    """A scheme that could not be built, or whose file does not keep its promise."""

    exit_code = 1


class CrashError(ConversionError):
    """A child process that ended without a result."""


class LostWorkerError(ConversionError):
    """A worker of a distributed training that cannot be reached any more."""


class CheckFailedError(TflitekitError):
    """A constraint or a check that was not met."""

    exit_code = 1


def disk_full(what: str) -> StorageError:
    """Returns the error for a full disk."""
    return StorageError(
        what,
        why="Files that were already finished are kept.",
        fix="Free some space and run the same command again: it continues where it stopped.",
    )


_UNWRITABLE = (
    errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOENT, errno.ENAMETOOLONG,
)  # fmt: skip


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns the operating system's write errors below into a `StorageError` that names ``path``."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise disk_full(f"The disk is full: could not write {path}.") from error
        if error.errno in _UNWRITABLE:
            raise StorageError(
                f"Cannot write {path}: {error.strerror}.",
                fix="Choose a folder that you may write to with --out.",
            ) from error
        raise
