"""What a comparison found, as rows and sentences; shared by the terminal and the Markdown for a pull request."""

from __future__ import annotations

from collections import Counter

from tflitekit.render import text
from tflitekit.render.markdown import fill
from tflitekit.results.comparison import Change, Comparison, GateResult, TargetChange, VariantChange
from tflitekit.results.comparison.words import describe_change

__all__ = ["COLUMNS", "gate_lines", "model_line", "recommendation_line", "render_markdown", "rows"]

COLUMNS = ("Variant", "Figure", "Old", "New", "Change (95 % interval)")


def rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Returns the table, in the order of `COLUMNS`: one row a figure, a variant's name in its first row only.

    What is the same file needs no figures: its latency and memory differ by noise.
    """
    found = []
    for variant in comparison.variants:
        own = _rows(variant)
        found += [(_name(variant) if index == 0 else "", *cells) for index, cells in enumerate(own)]
    return found


def _name(variant: VariantChange) -> str:
    return variant.name if variant.old_name in (None, variant.name) else f"{variant.old_name} → {variant.name}"


def _rows(variant: VariantChange) -> list[tuple[str, ...]]:
    if variant.presence != "both":
        word = "only in the new report" if variant.presence == "new" else "not in the new report"
        return [("status", variant.old_status or "–", variant.new_status or "–", word)]
    if not (variant.old_status == variant.new_status == "ok"):
        before, after = variant.old_status or "–", variant.new_status or "–"
        return [("status", before, after, "no change" if before == after else f"{before} before, {after} now")]
    shown = [change for change in variant.changes if change.figure != "recall"] + _worst_class(variant)
    found = []
    if variant.same_file:
        found.append(("file", "–", "–", "the same, byte for byte"))
        shown = [c for c in shown if c.unlike or (c.value and c.figure not in ("latency", "memory"))]
    return found + [_row(change) for change in shown] + [row for one in variant.targets for row in _target_rows(one)]


def _target_rows(one: TargetChange) -> list[tuple[str, ...]]:
    """Returns what changed on a further target; nothing where nothing did."""
    if (one.old_refused is None) != (one.new_refused is None):
        before, after = (
            "runs" if refused is None else "does not run" for refused in (one.old_refused, one.new_refused)
        )
        return [(one.target, before, after, "see the gates" if one.new_refused else "runs now")]
    rows: list[tuple[str, ...]] = []
    for change in one.changes:
        if change.value or change.unlike:
            _, old, new, told = _row(change)
            rows.append((f"{change.metric} on {one.target} ({one.provenance})", old, new, told))
    return rows


def _worst_class(variant: VariantChange) -> list[Change]:
    """Returns the class that lost most, if it really lost."""
    lost = [c for c in variant.changes if c.figure == "recall" and c.low is not None and c.low > 0]
    return [max(lost, key=lambda change: change.value)] if lost else []


def _row(change: Change) -> tuple[str, ...]:
    of = "" if change.label is None else f" of {change.label}"
    named = change.metric if change.figure in ("accuracy", "output", "fidelity", "recall") else change.figure
    figure = named + of
    if change.figure == "latency":
        figure = {"median_ms": "latency", "p90_ms": "p90 latency"}.get(change.metric, "mean latency")
    text_of = "not comparable, see below" if change.unlike else describe_change(change)
    return figure, _value(change, change.old), _value(change, change.new), text_of


def _value(change: Change, value: float) -> str:
    if change.is_share:
        return f"{value:.2%}"
    if change.figure in ("accuracy", "output"):
        return f"{value:.4g}"
    return text.duration(value) if change.figure == "latency" else text.size(round(value))


def model_line(comparison: Comparison) -> str:
    """Returns whether both reports are of the same model."""
    old, new = comparison.old, comparison.new
    if old.source_sha256 is None or new.source_sha256 is None:
        model = "the models are not recorded"
    else:
        model = "the same model" if old.source_sha256 == new.source_sha256 else "another model"
    return f"Old: {old.location} ({old.created}). New: {new.location} ({new.created}); {model}."


def recommendation_line(comparison: Comparison) -> str:
    """Returns whether the recommended variant is still the same."""
    old, new = (side.chosen or "none" for side in (comparison.old, comparison.new))
    return f"Recommended, as before: {new}" if old == new else f"Recommended: {new} (before: {old})"


def gate_lines(comparison: Comparison) -> list[tuple[str, str]]:
    """Returns what to say of the gates: state and sentence, the broken ones first; the kept ones are only counted."""
    lines = [
        (state, g.message) for state in ("broken", "missing", "undecided") for g in comparison.gates if g.state == state
    ]
    kept = Counter(_title(g) for g in comparison.gates if g.state == "kept")
    return lines + [("kept", f"{gate} for {count} of {_judged(comparison, gate)}") for gate, count in kept.items()]


def _title(result: GateResult) -> str:
    return result.gate.replace("-", " ")


def _judged(comparison: Comparison, title: str) -> str:
    count = sum(_title(g) == title for g in comparison.gates)
    return f"{count} {'classes of variants' if title == 'max class drop' else 'variants'}"


def render_markdown(comparison: Comparison) -> str:
    """Returns the comparison as Markdown, for a pull request; everything that comes from files is escaped."""
    return fill(
        "comparison.md.jinja",
        comparison=comparison,
        columns=COLUMNS,
        rows=rows(comparison),
        gates=gate_lines(comparison),
        fidelity=any(variant.change("fidelity") for variant in comparison.variants),
        model=model_line(comparison),
        recommendation=recommendation_line(comparison),
    )
