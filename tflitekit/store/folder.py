"""A folder of reports, for the light install and for network drives.

``reports/ID/report.json`` is the report as it was made, ``entry.json`` beside it its key figures, and ``accepted/`` has one file for each
acceptance. Every file is written whole, reports are never changed, and one counts from its ``entry.json`` on, which comes last: writers need no lock.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from tflitekit.core.errors import (
    OTHER_OUT,
    StorageError,
    StoredReportError,
    StoreError,
    UnreadableError,
    UsageError,
    disk_errors,
)
from tflitekit.core.files import is_folder, read_bytes, write_json
from tflitekit.core.parts import Finding
from tflitekit.core.structured import describe_problem, read_json
from tflitekit.store.entry import Acceptance, Entry
from tflitekit.store.store import DAMAGED, Listing, Store

if TYPE_CHECKING:
    from tflitekit.results import Report

__all__ = ["FolderStore"]

_Kept = TypeVar("_Kept", bound=BaseModel)

FORMAT = 1
_MARK = "tflitekit-store.json"
_FIX = "Choose a folder that you may write to, or ask who keeps the store."


class FolderStore(Store):
    """A store in a folder.

    Args:
        folder: Where it is.
        create: Make it where there is none.
    """

    def __init__(self, folder: Path, *, create: bool = True) -> None:
        self.folder, self.name = folder, str(folder)
        self._reports, self._accepted = folder / "reports", folder / "accepted"
        mark = folder / _MARK
        others = is_folder(folder) and any(name != _MARK for name in _names(folder))
        if mark.is_file():  # looked for last: another process may be making the store
            _check_format(mark)
            return
        if others:
            raise UsageError(
                f"{folder} is not a store: it holds other files.", fix="Name a folder of its own for the store."
            )
        if not create:
            raise UsageError(
                f"There is no store at {folder}.", fix="'tflitekit store add REPORT --store FOLDER' makes one."
            )
        with _writing():
            write_json(mark, {"format": FORMAT})  # first of all, so that the folder is never taken for another one

    def check_writable(self) -> None:
        with _writing(), disk_errors(self._reports):
            self._reports.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".tried-", dir=self._reports):
                pass

    def get(self, id: str) -> Entry | None:
        try:
            return self._entry(id)
        except UnreadableError:  # what is damaged is stored anew
            return None

    def entries(self, model: str | None = None) -> Listing:
        found, warnings = [], []
        for name in _names(self._reports):
            try:
                entry = self._entry(name)
            except UnreadableError as error:
                if error.missing:
                    continue  # it is being written, or its writer was stopped
                advice = "Add its report again: that repairs it."
                warnings.append(Finding(kind="damaged-entry", message=str(error.what), advice=advice))
                continue
            if model is None or entry.model == model:
                found.append(entry)
        return Listing.of(found, warnings)

    def _entry(self, id: str) -> Entry:
        path = self._reports / id / "entry.json"
        found = _read(Entry, path)
        if found.id != id:
            raise UnreadableError(str(path), "it is that of another report")
        return found

    def acceptances(self) -> Sequence[Acceptance]:
        try:
            found = [
                _read(Acceptance, self._accepted / name) for name in _names(self._accepted) if name.endswith(".json")
            ]
        except UnreadableError as error:
            raise StoreError(error.what, fix="Delete the file, and accept the report again.") from error
        return sorted(found, key=lambda one: (one.accepted, one.report))

    def _put(self, content: Any, entry: Entry) -> bool:
        folder = self._reports / entry.id
        with _writing():
            write_json(folder / "report.json", content)
            write_json(folder / "entry.json", entry.model_dump(mode="json"))
        return True

    def _renew(self, entry: Entry, report: Report) -> bool:
        folder = self._reports / entry.id
        if self.get(entry.id) in (entry, None):
            return False
        with _writing():
            write_json(folder / "entry.json", entry.model_dump(mode="json"))
        if not (
            folder / "report.json"
        ).is_file():  # another process removed it, and what was just written came after that
            self._remove(entry.id)
        return True

    def _content(self, id: str) -> bytes:
        try:
            return read_bytes(self._reports / id / "report.json")
        except UnreadableError as error:
            raise StoredReportError(error.what, fix=DAMAGED) from error

    def _remove(self, id: str) -> None:
        gone = self._reports / f".removed-{id}"
        with _writing(), disk_errors(gone):
            with suppress(FileNotFoundError):  # another process was faster
                (self._reports / id).rename(gone)  # at once, so that nobody finds half of it
            for path in self._reports.glob(".removed-*"):  # also of a process that was stopped here
                shutil.rmtree(path, ignore_errors=True)

    def _put_acceptance(self, acceptance: Acceptance) -> None:
        when = "".join(filter(str.isalnum, acceptance.accepted))
        path = self._accepted / f"{when}-{acceptance.report[:16]}.json"
        with _writing():
            write_json(path, acceptance.model_dump(mode="json"))


@contextmanager
def _writing() -> Iterator[None]:
    """Says of a place that cannot be written what to do about a store."""
    try:
        yield
    except StorageError as error:
        raise StorageError(error.what, why=error.why, fix=_FIX if error.fix == OTHER_OUT else error.fix) from error


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"The store cannot be read: {folder}: {(error.strerror or str(error)).lower()}.") from error


def _read(model: type[_Kept], path: Path) -> _Kept:
    """Reads a file of the store in one pass."""
    try:
        return model.model_validate_json(read_bytes(path))
    except ValidationError as error:
        raise UnreadableError(str(path), f"it is malformed at {describe_problem(error)}") from None


def _check_format(mark: Path) -> None:
    try:
        content = read_json(mark)
    except UnreadableError as error:
        raise StoreError(
            error.what, fix='The file says which format the store has: write {"format": 1} into it.'
        ) from error
    found = content.get("format") if isinstance(content, dict) else None
    if type(found) is not int or found < 1:
        raise StoreError(f"{mark} does not say which format the store has.", fix='Write {"format": 1} into it.')
    if found > FORMAT:
        raise StoreError(
            f"{mark.parent} is a store of format {found}; this kit reads format {FORMAT}.", fix="Update tflitekit."
        )
