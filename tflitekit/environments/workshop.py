"""Where an environment is made: runs installers, keeps what they print, and says what went wrong."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tflitekit.core.errors import MissingDependencyError, StorageError
from tflitekit.core.process.logged import run_logged

__all__ = ["Workshop"]

_ERROR = re.compile(r"\berror\b|^E:", re.IGNORECASE)


@dataclass(frozen=True)
class Workshop:
    """Where one environment is made.

    Attributes:
        purpose: What the environment is for.
        command: The command that makes it.
        log: What installers print.
        folder: For temporary files and what is not finished yet, on the disk of the environment.
    """

    purpose: str
    command: str
    log: Path
    folder: Path

    def run(self, command: Sequence[str], *, inside: Path | None = None) -> None:
        """Runs an installer.

        Args:
            inside: Its working directory.

        Raises:
            MissingDependencyError: It fails.
            StorageError: There is not enough space.
        """
        # Downloads of gigabytes: on the disk that has room for them.
        temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(self.folder))
        try:
            ended, words = run_logged(command, self.log, None, temporary, inside)
        except OSError as error:
            ended, words = "could not be started", str(error)
        if ended is None:
            return
        full = "No space left" in words
        raise (StorageError if full else MissingDependencyError)(
            f"The environment for {self.purpose} could not be made.",
            why=f"{Path(command[0]).name} {ended}: {_reason(words)}\nAll that it said is in {self.log}.",
            fix=_more_space(self.folder.parent)
            if full
            else f"Run '{self.command}' again, with the network: what was finished or downloaded before is taken from there.",
        )

    def require_program(self, name: str, brought_by: str) -> str:
        """Returns the path of a program of this machine.

        Raises:
            MissingDependencyError: It has none.
        """
        found = shutil.which(name)
        if found is None:
            raise MissingDependencyError(
                f"Making the environment for {self.purpose} needs {name}, and there is none.",
                fix=f"Install {brought_by}, then run '{self.command}' again.",
            )
        return found

    def require_space(self, size_bytes: float, size: str) -> None:
        """Raises `StorageError` where the disk has less."""
        place = self.folder.parent
        free = shutil.disk_usage(place).free
        if free < size_bytes:
            left = f"{free / 1e9:.1f} GB" if free >= 1e9 else f"{free / 1e6:.0f} MB"
            raise StorageError(
                f"The environment for {self.purpose} takes {size}, and {place} has {left} left.",
                fix=_more_space(place),
            )


def _more_space(folder: Path) -> str:
    other = " or set XDG_CACHE_HOME to a folder on another disk" if sys.platform == "linux" else ""
    return f"Free some space on the disk of {folder}{other}, then run the command again."


def _reason(words: str) -> str:
    """Returns what an installer calls an error, or else its last words."""
    lines = words.splitlines()
    return "\n".join([line for line in lines if _ERROR.search(line)][-3:] or lines[-3:])
