"""Packages of npm, installed into a folder of their own; their scripts are not run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tflitekit.core.files import write_json
from tflitekit.environments.workshop import Workshop

__all__ = ["NpmPackages"]


@dataclass(frozen=True)
class NpmPackages:
    """Some packages; they lie in the folder ``node_modules`` of the part.

    Attributes:
        versions: By package, exact ones, those of what they need too.
    """

    into: str
    versions: Mapping[str, str]

    def wanted(self) -> dict[str, Any]:
        return {"versions": dict(self.versions)}

    def install(self, folder: Path, beside: Path, workshop: Workshop) -> Mapping[str, str]:
        del beside
        npm = workshop.require_program("npm", "Node.js, which brings npm")
        write_json(folder / "package.json", {"private": True, "dependencies": dict(self.versions)})
        quiet = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts")
        workshop.run([npm, "install", *quiet], inside=folder)
        return self.versions
