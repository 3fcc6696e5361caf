"""Puts the report of a finished command into a store (``--store``)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tflitekit.core.errors import StoreError, TflitekitError

if TYPE_CHECKING:
    from tflitekit.options.store import StoreOptions
    from tflitekit.results import Report
    from tflitekit.store import Added, Store

__all__ = ["Keeper", "told"]


class Keeper:
    """Adds reports to the store that was asked for, if any; opened before the long work, so that a wrong address costs none.

    Args:
        is_named: Whether the reports say themselves of which model they are.
    """

    def __init__(self, how: StoreOptions, *, is_named: bool) -> None:
        from tflitekit.core.errors import UsageError

        self._model, self._store = how.store_model, _opened(how.store)
        if self._store is None and how.store_model is not None:
            raise UsageError("--store-model only applies with --store.", fix="Give both, or neither.")
        if self._store is not None and not is_named and how.store_model is None:
            raise UsageError(
                "--store needs --store-model: .tflite files do not say of which model they are.",
                fix="Name the model: reports of one name stand in one history.",
            )

    def keep(self, report: Report, out: Path | None, *, again: str | None = None, **run: Any) -> None:
        """Adds a report.

        Args:
            out: Where it is written; None where it is nowhere, so that it is written if it cannot be stored.
            again: What to add when the store is repaired, where that is more than this report.
            run: The run of MLflow, as `tflitekit.store.Store.add` takes it.

        Raises:
            StoreError: It could not be stored; it is written all the same.
        """
        if self._store is None:
            return
        try:
            click.echo(told(self._store, self._store.add(report, model=self._model, **run)), err=True)
        except TflitekitError as error:
            path = out or _rescue(report)
            raise StoreError(
                f"The report is written to {path}, but adding it to the store {self._store.name} failed.",
                why=" ".join(filter(None, (error.what, error.why))),
                fix=f"When that is repaired: tflitekit store add {again or path} --store ..."
                + (f" --model {self._model}" if self._model else ""),
            ) from error


def told(store: Store, added: Added) -> str:
    """Returns what became of a report in a sentence."""
    entry = added.entry
    if not added.is_new:
        return f"Already in {store.name}: report {entry.short} of {entry.model}."
    commit = (
        f", commit {entry.commit[:10]}{'-dirty' if entry.commit.endswith('-dirty') else ''}" if entry.commit else ""
    )
    return f"Added to {store.name}: report {entry.short} of {entry.model}{commit}."


def _opened(address: str | None) -> Store | None:
    if address is None:
        return None
    from tflitekit.store import open_store

    return open_store(address)


def _rescue(report: Report) -> Path:
    """Writes a report that is nowhere else yet into the working directory."""
    from tflitekit.core.files import write_json

    path = Path(f"report-{''.join(filter(str.isdigit, report.created))[:14]}.json")
    write_json(path, report.to_json())
    return path
