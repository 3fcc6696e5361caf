"""Packages of Debian (or Ubuntu), unpacked without touching the system: of its own architecture or of another one.

They come from the sources of this machine, with their signatures checked by its apt, which gets lists and a cache of its own.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tflitekit.core.errors import MissingDependencyError
from tflitekit.core.files import write_whole
from tflitekit.environments.workshop import Workshop

__all__ = ["DebianPackages"]

_CONFIGURATION = """\
#clear APT::Architectures;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons-small::DefaultEnabled "false";
Debug::NoLocking "true";
Dir::Cache "{folder}/cache/";
Dir::State "{folder}/";
Dir::State::Lists "{folder}/lists/";
Dir::State::status "{folder}/status";
"""
"""Hooks of the system belong to its own lists and packages. The empty status makes apt name everything that a package needs."""


@dataclass(frozen=True)
class DebianPackages:
    """Some packages.

    Attributes:
        architecture: As Debian calls it ('arm64'); None for that of this machine.
        files: The only ones that are kept, such as ``usr/bin/qemu-aarch64-static``; what the packages need is left out then.
            None for all files of the packages and of what they need.
    """

    into: str
    packages: tuple[str, ...]
    architecture: str | None = None
    files: tuple[str, ...] | None = None

    def wanted(self) -> dict[str, Any]:
        return {"packages": list(self.packages), "architecture": self.architecture, "files": list(self.files or ())}

    def install(self, folder: Path, beside: Path, workshop: Workshop) -> Mapping[str, str]:
        del beside
        for program in ("apt-get", "dpkg-deb"):
            workshop.require_program(program, "apt and dpkg (it is made of packages of Debian or Ubuntu)")
        apt = workshop.folder / f"apt-{self.into}"
        archives = apt / "cache" / "archives"
        for made in (apt / "lists" / "partial", archives / "partial"):
            made.mkdir(parents=True)
        write_whole(apt / "status", "")
        write_whole(apt / "apt.conf", _CONFIGURATION.format(architecture=self.architecture or _own(), folder=apt))
        get = ["apt-get", "--config-file", str(apt / "apt.conf")]
        workshop.run([*get, "update"])
        if self.files is None:
            workshop.run([*get, "install", "--yes", "--download-only", *self.packages])
        else:
            workshop.run([*get, "download", *self.packages], inside=archives)
        found = sorted(archives.glob("*.deb"))
        if not found:
            raise MissingDependencyError(
                f"apt downloaded nothing for the environment for {workshop.purpose}.",
                why="A source of the kind 'file:' is read where it lies, and leaves no copy.",
                fix="Write 'copy:' instead of 'file:' in the sources of apt.",
            )
        for package in found:
            workshop.run(_unpack(package, folder, self.files))
        for name in ("bin", "lib", "sbin"):  # where packages leave the links to these to the installation of the system
            if (folder / "usr" / name).is_dir() and not (folder / name).exists():
                (folder / name).symlink_to(f"usr/{name}")
        shutil.rmtree(apt)
        return dict(map(_named, found))


def _own() -> str:
    return subprocess.run(
        ["dpkg", "--print-architecture"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    ).stdout.strip()


def _unpack(package: Path, folder: Path, files: tuple[str, ...] | None) -> list[str]:
    if files is None:
        return ["dpkg-deb", "--extract", str(package), str(folder)]
    some = 'dpkg-deb --fsys-tarfile "$0" | tar --extract --directory "$@"'
    return ["sh", "-ec", some, str(package), str(folder), *(f"./{name}" for name in files)]


def _named(package: Path) -> tuple[str, str]:
    name, version, _ = package.stem.split("_")
    return name, version.replace("%3a", ":")
