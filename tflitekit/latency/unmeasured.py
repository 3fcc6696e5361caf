"""Notes why a latency was not measured."""

from __future__ import annotations

from tflitekit.core.errors import TflitekitError
from tflitekit.results import Finding, VariantReport

__all__ = ["unmeasured"]


def unmeasured(row: VariantReport, error: TflitekitError, threads: int | None = None) -> VariantReport:
    """Returns a row with a note on why the latency was not measured.

    Args:
        threads: How many it was to be measured with, where there are several numbers of threads.
    """
    told = "" if threads is None else f" with {threads} thread{'' if threads == 1 else 's'}"
    text = f"Latency{told} was not measured: {error.what}"
    note = Finding(kind="latency-not-measured", message=text, advice=error.fix)
    return row.model_copy(update={"warnings": (*row.warnings, note)})
