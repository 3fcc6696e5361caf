"""`tflitekit evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tflitekit.cli.commands import command, print_json
from tflitekit.cli.keeping import Keeper
from tflitekit.cli.options import takes_options
from tflitekit.cli.shared import as_json, data, files, progress
from tflitekit.options.evaluate import EvaluateOptions
from tflitekit.options.limits import AccuracyLimits, Constraints
from tflitekit.options.store import StoreOptions

if TYPE_CHECKING:
    from tflitekit.accuracy.evaluation import Evaluation


@command(
    "tflitekit evaluate build/*.tflite --data photos/test",
    "tflitekit evaluate new.tflite old.tflite --baseline old.tflite --data photos/test --max-accuracy-drop 1",
    "tflitekit evaluate build/*.tflite --data photos/test --until-certain",
)
@files
@data
@takes_options(EvaluateOptions, "how")
@takes_options(AccuracyLimits, "limits")
@takes_options(StoreOptions, "keep")
@as_json
def evaluate(
    files: tuple[Path, ...],
    data: str,
    how: EvaluateOptions,
    limits: AccuracyLimits,
    keep: StoreOptions,
    as_json: bool,
) -> int:
    """Measures the accuracy of .tflite files on the same samples, or without labels their fidelity."""
    from tflitekit.accuracy.evaluation import evaluate as run

    keeper, constraints = Keeper(keep, is_named=False), limits.part(Constraints)
    found = run(files, data=data, constraints=constraints, progress=progress(), **how.given())
    if not as_json:
        _show_evaluation(found)
    keeper.keep(found.report(constraints), None)
    if as_json:
        print_json(
            {
                "dataset": found.dataset.model_dump(mode="json"),
                "baseline": found.baseline,
                "variants": [v.model_dump(mode="json") for v in found.variants],
                "warnings": [w.model_dump(mode="json") for w in found.warnings],
                "broken": [b.model_dump(mode="json") for b in found.broken],
            }
        )
    return 1 if found.broken or any(v.status == "failed" for v in found.variants) else 0


def _show_evaluation(found: Evaluation) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from tflitekit.cli.console import stdout
    from tflitekit.cli.views.report import show_failures, show_findings, show_targets
    from tflitekit.render import outputs_text, text, thresholds_text
    from tflitekit.render.summary import group_findings

    variants, baseline = found.variants, found.baseline
    before = next((v.confidence for v in variants if v.name == baseline), None)
    figures, hidden = [], []
    for v in variants:
        agreement = f"{v.agreement.value:.2%}" if v.agreement and not v.likeness else "–"
        others = ", ".join(text.figure(m) for m in v.other_metrics if m.output is None) or "–"
        n = f"{v.figure.n:,}" if v.figure else v.status
        figures.append(
            (v.name, text.size(v.size_bytes), n, text.accuracy(v), others, agreement, text.drop(v, baseline))
        )
        hidden.append((v.name, text.worst_class(v), text.flips(v), text.calibration_error(v, before)))
    names = text.figure_columns(found.dataset, variants)
    _show(("File", "Size", "n", names["Accuracy"], "Other metrics", "Agreement", names["Change"]), figures)
    if any(cell != "–" for row in hidden for cell in row[1:]):
        _show(("File", "Class that lost most, points", "Turned wrong / right", "Calibration error"), hidden)
    titles, scores = outputs_text.table(variants, baseline)
    if scores:
        _show(tuple(titles), [tuple(line) for line in scores])
    titles, at_each = thresholds_text.table(variants)
    if at_each:
        _show(tuple(titles), [tuple(line) for line in at_each])
    for broken in found.broken:
        line = Text.assemble(("Limit broken: ", "red"), (broken.name, "bold"), ": " + "; ".join(broken.reasons))
        stdout.print(Padding(line, (0, 0, 0, 2)))
    show_targets(variants)
    show_failures(variants)
    show_findings(group_findings(found.warnings, {v.name: v.warnings for v in variants}))


def _show(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Shows the columns that hold anything."""
    from tflitekit.cli.console import show_table

    kept = [i for i in range(len(columns)) if i == 0 or any(row[i] != "–" for row in rows)]
    show_table(tuple(columns[i] for i in kept), [tuple(row[i] for i in kept) for row in rows])
