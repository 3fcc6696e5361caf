"""Puts the report of a finished command into a store (``--store``)."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tflitekit.core.errors import StoreError, TflitekitError
from tflitekit.core.printable import printable

if TYPE_CHECKING:
    from tflitekit.core.progress import Progress
    from tflitekit.options.store import StoreOptions
    from tflitekit.results import Report
    from tflitekit.store import Added, Store

__all__ = ["Keeper", "told"]

_MOST_NAMED = 3


class Keeper:
    """Adds reports to the store that was asked for, if any; opened and tried before the long work, so that a wrong address costs none.

    Args:
        is_named: Whether the reports say themselves of which model they are.
    """

    def __init__(self, how: StoreOptions, *, is_named: bool) -> None:
        from tflitekit.core.errors import UsageError

        self._model, self._store = how.store_model, _opened(how.store)
        self._missing: dict[Path, tuple[Report, str | None]] = {}
        if self._store is None and how.store_model is not None:
            raise UsageError("--store-model only applies with --store.", fix="Give both, or neither.")
        if self._store is not None and not is_named and how.store_model is None:
            raise UsageError(
                "--store needs --store-model: .tflite files do not say of which model they are.",
                fix="Name the model: reports of one name stand in one history.",
            )

    def keep(self, report: Report, out: Path | None, **run: Any) -> None:
        """Adds a report.

        Args:
            out: Where it is written; None where it is nowhere, so that it is written if it cannot be stored.
            run: The run of MLflow, as `tflitekit.store.Store.add` takes it.

        Raises:
            StoreError: It could not be stored; it is written all the same.
        """
        if self._store is None:
            return
        try:
            click.echo(told(self._store, self._store.add(report, model=self._model, **run)), err=True)
        except TflitekitError as error:
            raise self._lost({out or _rescue(report): self._model}, error) from error

    def keep_entry(self, report: Report, model: str, folder: Path, progress: Progress) -> None:
        """Adds the report of one entry of several, as soon as it ended; the others go on without a store, too (see `finish`).

        Args:
            model: What its model is called: files of several are often called alike.
            folder: Where it is written.
        """
        if self._store is None:
            return
        try:
            progress.note(told(self._store, self._store.add(report, model=model)))
        except TflitekitError as error:
            self._missing[folder] = report, model
            progress.note(f"Not added to {self._store.name}: {folder}. {_reason(error)} It is tried again at the end.")

    def finish(self) -> None:
        """Adds what `keep_entry` could not.

        Raises:
            StoreError: Some could still not be stored; it names them.
        """
        if self._store is None:
            return
        for folder, (report, model) in list(self._missing.items()):
            try:
                self._store.add(report, model=model)
            except TflitekitError as error:
                raise self._lost({one: of for one, (_, of) in self._missing.items()}, error) from error
            del self._missing[folder]

    def _lost(self, models: Mapping[Path, str | None], error: TflitekitError) -> StoreError:
        assert self._store is not None
        paths = list(models)
        report, is_ = ("The report", "is") if len(paths) == 1 else (f"{len(paths)} reports", "are")
        shown = ", ".join(map(str, paths)) if len(paths) <= _MOST_NAMED else f"{paths[0]}, {paths[1]}, …"
        commands = []
        for model in dict.fromkeys(models.values()):
            named = shlex.join(str(path) for path in paths if models[path] == model)
            commands.append(
                f"tflitekit store add {named} --store ...{f' --model {shlex.quote(model)}' if model else ''}"
            )
        return StoreError(
            f"{report} {is_} written to {shown}, but adding {'it' if len(paths) == 1 else 'them'} to the store {self._store.name} failed.",
            why=_reason(error),
            fix=f"When that is repaired: {'; '.join(commands)}",
        )


def _reason(error: TflitekitError) -> str:
    return " ".join(filter(None, (error.what, error.why)))


def told(store: Store, added: Added) -> str:
    """Returns what became of a report in a sentence."""
    from tflitekit.render.history_text import made

    entry = added.entry
    if not added.is_new:
        return printable(f"Already in {store.name}: report {entry.short} of {entry.model}.")
    commit = (
        f", commit {entry.commit[:10]}{'-dirty' if entry.commit.endswith('-dirty') else ''}" if entry.commit else ""
    )
    early = (
        f" It says that it was made at {made(entry.created)} UTC, which is still to come: a clock is wrong."
        if entry.is_early
        else ""
    )
    return printable(f"Added to {store.name}: report {entry.short} of {entry.model}{commit}.{early}")


def _opened(address: str | None) -> Store | None:
    if address is None:
        return None
    from tflitekit.store import open_store

    store = open_store(address)
    store.check_writable()
    return store


def _rescue(report: Report) -> Path:
    """Writes a report that is nowhere else yet into the working directory."""
    from tflitekit.core.files import hash_json, write_json

    content = report.to_json()
    when, which = "".join(filter(str.isdigit, report.created))[:14], hash_json(content)[:8]  # several end in one second
    path = Path(f"report-{when}-{which}.json")
    write_json(path, content)
    return path
