"""Where a bundle is written: nothing else is written over, and what is there stays until the new one is whole."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from tflitekit.bundling.contents import (
    LABELS_FILE,
    Bundle,
    read_description,
)
from tflitekit.core.errors import BundleError, StorageError

__all__ = ["check_target", "parent_of", "put_in_place", "write_zip", "zip_of"]

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say: the same bundle is the same file


def check_target(out: Path, data: Any) -> None:
    """Refuses to write over what is no bundle, and into the data."""
    if isinstance(data, str | Path) and out.is_relative_to(Path(data).resolve()):
        raise StorageError(
            f"{out} lies inside the data {data} and would become part of them.", fix="Choose another --out."
        )
    archive = zip_of(out)
    if out.exists() and not _is_bundle(out):
        raise StorageError(
            f"{out} already exists and is not a bundle, or has other files in it.",
            fix="Choose another folder with --out, or remove it.",
        )
    if archive.exists() and not _is_archive(archive):
        raise StorageError(
            f"{archive} already exists and is not the zip of a bundle.",
            fix="Choose another folder with --out, or remove it.",
        )


def parent_of(out: Path) -> Path:
    """Returns the folder above, which is made where it is not there."""
    out.parent.mkdir(parents=True, exist_ok=True)
    return out.parent


def zip_of(out: Path) -> Path:
    """Returns the archive beside the folder of a bundle."""
    return out.with_name(f"{out.name}.zip")


def _is_bundle(out: Path) -> bool:
    """Whether a folder is empty, or holds a bundle and nothing else; its files may be damaged."""
    if not out.is_dir():
        return False
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir()}
    try:
        named = {entry.file for entry in read_description(out).files()} | {"bundle.json", LABELS_FILE}
    except BundleError:
        return not found
    return all(name in named or name.startswith("wrappers/") for name in found)


def _is_archive(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "bundle.json" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def put_in_place(folder: Path, out: Path) -> None:
    """Puts the finished folder into place; what was there stays until it is."""
    before = folder.with_name("replaced")  # removed with the temporary folder
    if out.exists():
        out.rename(before)
    try:
        folder.rename(out)
    except BaseException:
        if before.exists():
            before.rename(out)
        raise


def write_zip(target: Path, folder: Path, made: Bundle) -> None:
    """Writes the archive of a bundle: the same bundle is the same file."""
    names = ["bundle.json", *([LABELS_FILE] if made.labels is not None else []), *(e.file for e in made.files())]
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(names):
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, (folder / name).read_bytes(), zipfile.ZIP_DEFLATED)
