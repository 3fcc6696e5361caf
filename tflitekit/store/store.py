"""What every store does; where the reports lie is the matter of `FolderStore` and `DatabaseStore`."""

from __future__ import annotations

import getpass
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic_core import from_json

from tflitekit.core.errors import StoredReportError, UsageError
from tflitekit.core.files import hash_json, shortened
from tflitekit.core.parts import Finding
from tflitekit.store.commit import commit_of
from tflitekit.store.entry import Acceptance, Entry, is_noisy, now
from tflitekit.store.scored import Scored

if TYPE_CHECKING:
    from tflitekit.results import Report

__all__ = ["DAMAGED", "Added", "Listing", "Store", "damaged"]

DAMAGED = "Add it again: that repairs it. Or remove it with 'tflitekit store remove'."
_Found = TypeVar("_Found")
_SHORTEST = 4
"""Digits of an id that name a report where no other begins with them."""


@dataclass(frozen=True)
class Added:
    """What became of a report: its entry, and whether it is a new one."""

    entry: Entry
    is_new: bool


@dataclass(frozen=True)
class Listing:
    """What a store holds, the oldest report first, and what of it cannot be read."""

    entries: tuple[Entry, ...]
    warnings: tuple[Finding, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[Entry], warnings: Iterable[Finding]) -> Listing:
        """Returns what was found in any order."""
        return cls(tuple(sorted(entries, key=lambda entry: entry.age)), tuple(warnings))


class Store(ABC):
    """Reports that are kept and compared over time.

    Several processes may use one store at once. A report is there as a whole or not at all, once however often it is added, and is
    never changed; of what is kept beside it, `renew` adds what older versions of the kit did not know.

    Attributes:
        name: Where it is, as messages may say it: without a password.
        upgraded_from: The version of its tables before it was opened, where that upgraded them.
    """

    name: str
    upgraded_from: str | None = None

    def add(
        self,
        report: Report | str | Path,
        *,
        model: str | None = None,
        commit: str | None = None,
        mlflow_run: str | None = None,
        mlflow_link: str | None = None,
    ) -> Added:
        """Stores a report.

        Args:
            report: A report, its file, or its folder.
            model: What its model is called in the store; the name of the model's file when not given.
            commit: Of the project that it was made from; that of the working directory when not given, unless that is newer
                than the report.
            mlflow_run: The run that it was logged as, and ``mlflow_link`` that run's page.

        Returns:
            Its key figures. A report that is there already stays as it was added first; one that is damaged there is repaired.

        Raises:
            ModelError: The report is missing, malformed, or of an unknown version.
            UsageError: It does not say of which model it is, and ``model`` is not given.
            StoreError: The store cannot be reached or written.
        """
        content, found = _opened(report)
        id = _id(content)
        if known := self.get(id):
            try:
                self.report(known)
            except StoredReportError:
                self._remove(id)
                return Added(known, is_new=self._put(content, known))
            return Added(known, is_new=False)
        commit = commit or commit_of(Path.cwd(), found.created)
        entry = Entry.of(found, id, model=model, commit=commit, mlflow_run=mlflow_run, mlflow_link=mlflow_link)
        return Added(entry, is_new=self._put(content, entry))

    def entry_of(self, report: Report | str | Path, *, model: str | None = None) -> Entry:
        """Returns what `add` would store of a report, or has stored; nothing is written.

        Raises:
            ModelError: The report is missing, malformed, or of an unknown version.
            UsageError: It does not say of which model it is.
        """
        content, found = _opened(report)
        id = _id(content)
        return self.get(id) or Entry.of(found, id, model=model)

    def find(self, id: str) -> Entry:
        """Returns the report whose id begins so.

        Raises:
            UsageError: There is none, or several.
        """
        fits = [] if len(id) < _SHORTEST else [e for e in self.entries().entries if e.id.startswith(id.lower())]
        if len(fits) == 1:
            return fits[0]
        what = f"{len(fits)} reports begin with {id}" if fits else f"There is no report {id}"
        raise UsageError(f"{what} in {self.name}.", fix="'tflitekit store list' shows the first digits of each.")

    def report(self, entry: Entry) -> Report:
        """Returns a stored report, migrated if an older version of the kit wrote it.

        Raises:
            ModelError: It is of a schema version that this kit does not know.
            StoredReportError: It is damaged or gone.
            StoreError: The store cannot be read.
        """
        from tflitekit.results.report import check_report

        return check_report(self._read(entry, from_json, self._content(entry.id)), f"{entry.short} in {self.name}")

    def scored(self, entry: Entry) -> Scored:
        """Returns which samples a stored report got right, in a fraction of the time that the report takes.

        Raises:
            StoredReportError: The report is damaged or gone.
            StoreError: The store cannot be read.
        """
        return self._read(entry, Scored.model_validate_json, self._scored(entry.id))

    def _read(self, entry: Entry, read: Callable[[bytes], _Found], content: bytes) -> _Found:
        try:
            return read(content)
        except ValueError as error:
            raise damaged(f"The report {entry.short} in {self.name}", error) from error

    def outdated(self) -> tuple[Entry, ...]:
        """Returns the entries that lack what older versions of the kit did not keep of a report."""
        return tuple(
            entry
            for entry in self.entries().entries
            if entry.noisy is None and any(row.latency_ms is not None for row in entry.rows)
        )

    def renew(self, entry: Entry) -> bool:
        """Keeps of a stored report what an older version of the kit did not, as `outdated` found it; returns False where nothing was missing.

        Raises:
            ModelError: The report is of a schema version that this kit does not know.
            StoredReportError: It is damaged or gone.
            StoreError: The store cannot be read or written.
        """
        report = self.report(entry)
        return self._renew(entry.model_copy(update={"noisy": is_noisy(report)}), report)

    def accept(self, entry: Entry, note: str = "") -> Acceptance:
        """Marks a stored report as what later ones of its model on its device are compared with.

        Raises:
            StoreError: The store cannot be written.
        """
        try:
            by = getpass.getuser()
        except (KeyError, OSError, ImportError):  # a container may run under a number without a name
            by = ""
        found = Acceptance(report=entry.id, model=entry.model, device=entry.device, accepted=now(), by=by, note=note)
        self._put_acceptance(found)
        return found

    def last_accepted(self, model: str, device: str) -> tuple[Entry, Acceptance]:
        """Returns what was accepted last for a model on a device.

        Raises:
            UsageError: Nothing was.
        """
        of_model = [found for found in self.acceptances() if found.model == model]
        fits = [found for found in of_model if found.device == device]
        if not fits:
            others = ", ".join(sorted({found.device for found in of_model}))
            raise UsageError(
                f"Nothing of the model '{model}' on the device '{device}' was accepted in {self.name}.",
                why=f"Accepted on other devices: {others}." if others else None,
                fix="Accept a report with 'tflitekit store accept', or name one to compare with.",
            )
        return self.find(fits[-1].report), fits[-1]

    def remove(self, entry: Entry) -> None:
        """Removes a report, whole. What was accepted stays, because later reports are compared with it.

        Raises:
            UsageError: It was accepted.
            StoreError: The store cannot be written.
        """
        if any(found.report == entry.id for found in self.acceptances()):
            raise UsageError(
                f"The report {entry.short} of {entry.model} was accepted, and stays.",
                why="Later reports are compared with what was accepted.",
            )
        self._remove(entry.id)

    @abstractmethod
    def check_writable(self) -> None:
        """Tries to write, and leaves nothing: who is going to add a report after long work wants to know before.

        Raises:
            StoreError: The store cannot be written.
            StorageError: The folder cannot be written.
        """

    @abstractmethod
    def get(self, id: str) -> Entry | None:
        """Returns the entry of this whole id; None where there is none."""

    @abstractmethod
    def entries(self, model: str | None = None) -> Listing:
        """Returns what is stored, or what is stored of one model."""

    @abstractmethod
    def acceptances(self) -> Sequence[Acceptance]:
        """Returns all acceptances, the last one last."""

    @abstractmethod
    def _put(self, content: Any, entry: Entry) -> bool:
        """Stores a report and its entry, whole; returns False where another process did so in the meantime."""

    @abstractmethod
    def _renew(self, entry: Entry, report: Report) -> bool:
        """Replaces the entry of a stored report, whole; returns False where nothing changes. What was removed meanwhile stays removed."""

    @abstractmethod
    def _content(self, id: str) -> bytes:
        """Returns a report as JSON."""

    def _scored(self, id: str) -> bytes:
        """Returns as JSON at least what `Scored` reads of a report."""
        return self._content(id)

    @abstractmethod
    def _remove(self, id: str) -> None:
        """Removes a report and its entry, whole; one that is gone already is fine."""

    @abstractmethod
    def _put_acceptance(self, acceptance: Acceptance) -> None:
        """Stores an acceptance."""


def damaged(name: str, error: Exception) -> StoredReportError:
    """Returns what is raised where a stored report cannot be read."""
    return StoredReportError(f"{name} is damaged.", why=f"{shortened(str(error)).rstrip('.')}.", fix=DAMAGED)


def _opened(report: Report | str | Path) -> tuple[Any, Report]:
    """Returns a report as JSON as it stands in its file, and as what it says."""
    from tflitekit.results.report import Report, check_report, read_content

    if isinstance(report, Report):
        return report.to_json(), report
    content, name = read_content(report)
    return content, check_report(content, name)


def _id(content: Any) -> str:
    """Returns the hash of a report, without when it was made and what was reused: a run that only took what was finished found nothing new."""
    rows = [{name: value for name, value in row.items() if name != "reused"} for row in content["variants"]]
    return hash_json({name: value for name, value in content.items() if name != "created"} | {"variants": rows})
