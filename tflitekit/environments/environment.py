"""What all environments have in common: a name, a purpose, a folder below the user's caches, and a state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tflitekit.core.caches import cache_folder
from tflitekit.core.errors import MissingDependencyError
from tflitekit.environments.workshop import Workshop

__all__ = ["Environment", "State", "Status"]

State = Literal["ready", "missing", "unfinished", "broken", "outdated"]
_MARK = "tflitekit.json"


@dataclass(frozen=True)
class Status:
    """What there is of an environment.

    Attributes:
        versions: Of what is in it.
        why: What is wrong with it, as a sentence.
    """

    state: State
    versions: Mapping[str, str] = field(default_factory=dict)
    why: str | None = None


@dataclass(frozen=True)
class Environment(ABC):
    """An environment with a name.

    Attributes:
        purpose: What it is for, as in 'the environment for ONNX models'.
        size_bytes: What it takes on disk, about (on Linux).
    """

    name: str
    purpose: str
    size_bytes: float

    @property
    def setup_command(self) -> str:
        """The command that makes or repairs it."""
        return f"tflitekit setup {self.name}"

    @property
    def size(self) -> str:
        return f"{self.size_bytes / 1e9:.1f} GB" if self.size_bytes >= 1e9 else f"{self.size_bytes / 1e6:.0f} MB"

    @property
    def folder(self) -> Path:
        return cache_folder() / "environments" / self.name

    @property
    def place(self) -> Path:
        """Where its programs are."""
        return self.folder

    @property
    def log(self) -> Path:
        """What the installers printed when it was last made."""
        return self.folder.with_suffix(".log")

    @property
    def mark(self) -> Path:
        """What `tflitekit setup` leaves last."""
        return self.folder / _MARK

    def status(self) -> Status:
        """Looks at what is there."""
        if not self.folder.is_dir():
            return Status("missing")
        if not self.mark.is_file():
            return Status("unfinished", why="Its installation was not finished.")
        return self.look()

    def require(self, what: str) -> Status:
        """Returns the status, which is 'ready'.

        Args:
            what: What needs it, as the beginning of a sentence.

        Raises:
            MissingDependencyError: It is not ready.
        """
        status = self.status()
        if status.state != "ready":
            raise MissingDependencyError(
                f"{what} needs the environment '{self.name}', which is {status.state}.",
                why=status.why,
                fix=f"Run '{self.setup_command}' ({self.size}).",
            )
        return status

    @abstractmethod
    def look(self) -> Status:
        """Looks at one whose installation was finished."""

    @abstractmethod
    def make(self, workshop: Workshop) -> None:
        """Makes it, or what it lacks.

        Raises:
            MissingDependencyError: It cannot be made.
            StorageError: There is not enough space.
        """

    @abstractmethod
    def wanted(self) -> dict[str, Any]:
        """Returns as JSON what belongs in it, by which it is marked."""
