"""Variants that a search found: do the evaluation data confirm what the search expected of them?"""

from __future__ import annotations

from tflitekit.results import Finding, VariantReport

__all__ = ["lint_search"]


def lint_search(row: VariantReport) -> VariantReport:
    """Adds a finding where a search took a file to be within the limit, and the evaluation shows beyond its interval that it is not.

    Args:
        row: With its drop or likeness; one that no search found comes back as it is.
    """
    search, least = row.search, _least_loss(row)
    if search is None or search.high > search.limit or least is None or least <= search.limit:
        return row
    finding = Finding(
        kind="search-missed",
        message=f"The search expected it to lose at most {search.high:.1%}, but it loses at least {least:.1%} here, and the limit is "
        f"{search.limit:.1%}: the samples that it was judged on ({search.data}) are not like the evaluation data.",
        advice="Calibrate and judge (--calibration, --search-data) on samples of the kind that the app will see.",
    )
    return row.model_copy(update={"warnings": (*row.warnings, finding)})


def _least_loss(row: VariantReport) -> float | None:
    """Returns the lower end of the interval of what is lost, in what the search judged by; None where that is not known."""
    if row.search is None or row.search.judged_by == "accuracy":
        return None if row.drop is None else row.drop.low
    return None if row.likeness is None or row.likeness.high is None else 1 - row.likeness.high
