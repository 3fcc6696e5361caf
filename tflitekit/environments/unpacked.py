"""Environments of the second kind: packages that are only unpacked, each part whole in a folder or not there at all."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel

from tflitekit.core.errors import UnreadableError, disk_errors
from tflitekit.core.files import write_json
from tflitekit.core.structured import read_model
from tflitekit.environments.environment import Environment, Status
from tflitekit.environments.workshop import Workshop

__all__ = ["Part", "UnpackedEnvironment"]

_MANIFEST = ".tflitekit.json"


class Part(Protocol):
    """Packages that one installer unpacks into one folder."""

    @property
    def into(self) -> str:
        """The name of its folder in the environment."""

    def wanted(self) -> dict[str, Any]:
        """Returns as JSON what belongs in it: another answer makes what is there outdated."""

    def install(self, folder: Path, beside: Path, workshop: Workshop) -> Mapping[str, str]:
        """Unpacks the packages into an empty folder.

        Args:
            beside: The environment, which has the parts before this one.

        Returns:
            The version of each package.
        """


class _Manifest(BaseModel):
    wanted: dict[str, Any]
    versions: dict[str, str]
    sizes: dict[str, int]


@dataclass(frozen=True)
class UnpackedEnvironment(Environment):
    """Parts, unpacked one after the other.

    Attributes:
        main: The packages whose versions are shown.
    """

    parts: tuple[Part, ...]
    main: tuple[str, ...]

    def look(self) -> Status:
        versions: dict[str, str] = {}
        for part in self.parts:
            status = _look(part, self.folder / part.into)
            versions |= status.versions
            if status.state != "ready":
                return status
        return Status("ready", {name: versions[name] for name in self.main if name in versions})

    def wanted(self) -> dict[str, Any]:
        return {part.into: part.wanted() for part in self.parts}

    def make(self, workshop: Workshop) -> None:
        todo = [part for part in self.parts if _look(part, self.folder / part.into).state != "ready"]
        if len(todo) == len(self.parts):
            workshop.require_space(self.size_bytes, self.size)
        for part in todo:
            fresh, place = workshop.folder / part.into, self.folder / part.into
            with disk_errors(place):
                fresh.mkdir()
                versions = part.install(fresh, self.folder, workshop)
                manifest = _Manifest(wanted=part.wanted(), versions=dict(versions), sizes=_sizes(fresh))
                write_json(fresh / _MANIFEST, manifest.model_dump())
                shutil.rmtree(place, ignore_errors=True)
                place.parent.mkdir(exist_ok=True)
                fresh.rename(place)


def _look(part: Part, folder: Path) -> Status:
    try:
        manifest = read_model(_Manifest, folder / _MANIFEST)
    except UnreadableError:
        return Status("broken", why=f"It lacks the part '{part.into}'.")
    if manifest.wanted != part.wanted():
        return Status("outdated", manifest.versions, f"Its part '{part.into}' is of another version of tflitekit.")
    for name, size in manifest.sizes.items():
        try:
            whole = (folder / name).stat().st_size == size
        except OSError:
            whole = False
        if not whole:
            return Status("broken", manifest.versions, f"Its file {folder / name} is missing or was changed.")
    return Status("ready", manifest.versions)


def _sizes(folder: Path) -> dict[str, int]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(files)}
