"""`tflitekit evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tflitekit.cli.shared import (
    SEED,
    Data,
    ErrorRate,
    Files,
    Jobs,
    Json,
    Labels,
    Limit,
    MaxAccuracyDrop,
    MaxClassDrop,
    Metric,
    Output,
    Preprocess,
    Seed,
    Stream,
    UntilCertain,
    app,
    certainty,
    check_limits,
    guarded,
    print_json,
    progress,
)

if TYPE_CHECKING:
    from tflitekit.accuracy.evaluation import Evaluation


@app.command()
@guarded
def evaluate(
    files: Files,
    data: Data,
    preprocess: Preprocess = None,
    labels: Labels = None,
    limit: Limit = None,
    metric: Metric = None,
    output: Output = None,
    baseline: Annotated[
        Path | None, typer.Option(help="File to compare with; float32 or the first if not given.")
    ] = None,
    max_accuracy_drop: MaxAccuracyDrop = None,
    max_class_drop: MaxClassDrop = None,
    until_certain: UntilCertain = False,
    error_rate: ErrorRate = None,
    stream: Stream = False,
    jobs: Jobs = None,
    seed: Seed = SEED,
    as_json: Json = False,
) -> int:
    """Measures the accuracy of .tflite files on the same samples."""
    from tflitekit.accuracy.evaluation import evaluate as run
    from tflitekit.results import Constraints

    check_limits(max_accuracy_drop=max_accuracy_drop, max_class_drop=max_class_drop)
    found = run(
        files,
        data=data,
        preprocess=preprocess,
        labels=labels,
        limit=limit,
        metric=metric,
        output=output,
        baseline=baseline,
        constraints=Constraints(max_accuracy_drop=max_accuracy_drop, max_class_drop=max_class_drop),
        **certainty(until_certain, error_rate),
        stream=stream,
        jobs=jobs,
        seed=seed,
        progress=progress(),
    )
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
    else:
        _show_evaluation(found)
    return 1 if found.broken or any(v.status == "failed" for v in found.variants) else 0


def _show_evaluation(found: Evaluation) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from tflitekit.cli.console import show_failures, show_findings, stdout
    from tflitekit.render import text
    from tflitekit.render.summary import group_findings

    variants, baseline = found.variants, found.baseline
    before = next((v.confidence for v in variants if v.name == baseline), None)
    figures, hidden = [], []
    for v in variants:
        agreement = f"{v.agreement.value:.2%}" if v.agreement else "–"
        others = ", ".join(f"{m.metric} {m.value:.4g}" for m in v.other_metrics) or "–"
        n = f"{v.accuracy.n:,}" if v.accuracy else v.status
        figures.append(
            (v.name, text.size(v.size_bytes), n, text.accuracy(v), others, agreement, text.drop(v, baseline))
        )
        hidden.append((v.name, text.worst_class(v), text.flips(v), text.calibration_error(v, before)))
    _show(("File", "Size", "n", "Accuracy", "Other metrics", "Agreement", "Change"), figures)
    if any(cell != "–" for row in hidden for cell in row[1:]):
        _show(("File", "Class that lost most, points", "Turned wrong / right", "Calibration error"), hidden)
    for broken in found.broken:
        line = Text.assemble(("Limit broken: ", "red"), (broken.name, "bold"), ": " + "; ".join(broken.reasons))
        stdout.print(Padding(line, (0, 0, 0, 2)))
    show_failures(variants)
    show_findings(group_findings(found.warnings, {v.name: v.warnings for v in variants}))


def _show(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Shows the columns that hold anything."""
    from tflitekit.cli.console import show_table

    kept = [i for i in range(len(columns)) if i == 0 or any(row[i] != "–" for row in rows)]
    show_table(tuple(columns[i] for i in kept), [tuple(row[i] for i in kept) for row in rows])
