"""What a worker needs on a board, as archives: the runtime and NumPy as wheels for the board's Python, and the worker itself.

The wheels are downloaded on this machine, once for each kind of board; the board needs no network and no compiler.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from tflitekit.core.caches import OTHER_CACHE, cache_folder
from tflitekit.core.errors import DeviceError
from tflitekit.core.files import locked, write_whole
from tflitekit.core.lifetime import temporary_folder
from tflitekit.core.progress import Progress
from tflitekit.environments.wheels import unpack_wheels
from tflitekit.environments.workshop import Workshop
from tflitekit.targets.remote import WORKER

__all__ = ["Archive", "Kind", "runtime_archive", "worker_archive"]

NUMPY = "2.2.6"
"""It has wheels for all versions of Python below."""
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
"""Those that the runtime has wheels for."""
_PLATFORMS = {
    "aarch64": ("manylinux_2_27_aarch64", "manylinux2014_aarch64"),
    "x86_64": ("manylinux_2_27_x86_64", "manylinux2014_x86_64"),
}
_UV_PLATFORMS = {"aarch64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}
_OLDEST_GLIBC = (2, 27)
_NOT_NEEDED = ("*Accelerator*", "tests", "*.pyi", "bin", "f2py")
"""Graphics processors are not used there; half of the size."""


@dataclass(frozen=True)
class Archive:
    """Files that are unpacked into one folder there.

    Attributes:
        digest: SHA-256 of the archive.
        unpacked: The size of all files.
    """

    content: bytes
    digest: str
    unpacked: int

    @classmethod
    def of(cls, files: Iterable[tuple[str, bytes]]) -> Archive:
        """Packs files; the same ones always give the same archive."""
        packed, unpacked = io.BytesIO(), 0
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for name, content in sorted(files):
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(content), 0o755 if name.endswith(".so") else 0o644
                archive.addfile(entry, io.BytesIO(content))
                unpacked += len(content)
        return cls.read(gzip.compress(packed.getvalue(), 6, mtime=0), unpacked)

    @classmethod
    def read(cls, content: bytes, unpacked: int) -> Archive:
        return cls(content, hashlib.sha256(content).hexdigest(), unpacked)


@dataclass(frozen=True)
class Kind:
    """The kind of a board: wheels are the same for all of one kind."""

    machine: str
    python: str

    @classmethod
    def of(cls, told: Mapping[str, object], place: str) -> Kind:
        """Returns the kind of what the agent told of a board.

        Raises:
            DeviceError: The runtime does not run there.
        """
        machine, bits = str(told["machine"]), told["bits"]
        python = ".".join(str(told["python"]).split(".")[:2])
        if told["system"] != "Linux" or machine not in _PLATFORMS or bits != 64:
            what = f"a {bits}-bit Python on {told['system']} {machine}"
            raise DeviceError(
                f"{place} has {what}, for which there is no runtime.",
                why="ai-edge-litert has wheels for 64-bit Linux on aarch64 and x86_64.",
                fix="Install a 64-bit system there (for a Raspberry Pi: Raspberry Pi OS, 64-bit)."
                if machine != "x86_64"
                else None,
            )
        name, version = told["libc"] if isinstance(told["libc"], list) else ("", "")
        if name != "glibc" or tuple(map(int, str(version).split(".")[:2])) < _OLDEST_GLIBC:
            raise DeviceError(
                f"{place} has {f'glibc {version}' if name == 'glibc' else 'another C library than glibc'}, for which there is no runtime.",
                why="The wheels of ai-edge-litert need glibc 2.27 or newer.",
                fix="Install a newer system there, such as Debian 12.",
            )
        if python not in PYTHONS or told["implementation"] != "CPython":
            raise DeviceError(
                f"{place} has {told['implementation']} {told['python']}, for which there is no runtime.",
                why=f"ai-edge-litert and NumPy have wheels for CPython {PYTHONS[0]} to {PYTHONS[-1]}.",
                fix=f"Install one of them there; the kit looks for {', '.join(f'python{one}' for one in PYTHONS)} and python3 on the PATH.",
            )
        return cls(machine, python)


def runtime_archive(kind: Kind, progress: Progress) -> Archive:
    """Returns the runtime of this machine's version and NumPy for a kind of board; from the user's caches where it is there.

    Raises:
        MissingDependencyError: They cannot be downloaded.
    """
    pins = {"ai-edge-litert": metadata.version("ai-edge-litert"), "numpy": NUMPY}
    name = "-".join([kind.machine, kind.python, *(f"{package}-{version}" for package, version in pins.items())])
    folder = cache_folder() / "boards"
    kept = folder / f"{name}.tar.gz"
    with locked(folder, OTHER_CACHE):
        if not kept.is_file():
            with (
                progress.task(f"Downloading the runtime for {kind.machine} and Python {kind.python}", None),
                temporary_folder(folder, "wheels-") as fresh,
            ):
                into = fresh / "packages"
                into.mkdir()
                workshop = Workshop("boards behind ssh", "the same command", folder / f"{name}.log", fresh)
                unpack_wheels(into, pins, kind.python, _PLATFORMS[kind.machine], _UV_PLATFORMS[kind.machine], workshop)
                write_whole(kept, Archive.of(_files(into)).content)
    content = kept.read_bytes()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return Archive.read(content, sum(entry.size for entry in archive))


def worker_archive() -> Archive:
    """Returns the worker."""
    return Archive.of((path.name, path.read_bytes()) for path in WORKER.glob("*.py"))


def _files(folder: Path) -> Iterable[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        if path.is_file() and not any(Path(part).match(pattern) for part in relative.parts for pattern in _NOT_NEEDED):
            yield relative.as_posix(), path.read_bytes()
