"""`tflitekit evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tflitekit.cli.shared import (
    SEED,
    Data,
    Files,
    Jobs,
    Json,
    Labels,
    Limit,
    Metric,
    Output,
    Preprocess,
    Seed,
    app,
    guarded,
    print_json,
    progress,
)

if TYPE_CHECKING:
    from tflitekit.results import VariantReport


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
    jobs: Jobs = None,
    seed: Seed = SEED,
    as_json: Json = False,
) -> int:
    """Measures the accuracy of .tflite files on the same samples."""
    from tflitekit.evaluation import evaluate as run

    found = run(
        files,
        data=data,
        preprocess=preprocess,
        labels=labels,
        limit=limit,
        metric=metric,
        output=output,
        baseline=baseline,
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
            }
        )
    else:
        _show_evaluation(found.variants, found.baseline, list(map(str, found.warnings)))
    return 1 if any(v.status == "failed" for v in found.variants) else 0


def _show_evaluation(variants: tuple[VariantReport, ...], baseline: str | None, warnings: list[str]) -> None:
    from tflitekit.console import show_table, show_warnings
    from tflitekit.report import text

    rows = []
    for v in variants:
        agreement = f"{v.agreement.value:.2%}" if v.agreement else "–"
        others = ", ".join(f"{m.metric} {m.value:.4g}" for m in v.other_metrics) or "–"
        n = f"{v.accuracy.n:,}" if v.accuracy else v.status
        rows.append((v.name, text.size(v.size_bytes), n, text.accuracy(v), others, agreement, text.drop(v, baseline)))
    columns = ("File", "Size", "n", "Accuracy", "Other metrics", "Agreement", "Change")
    kept = [i for i in range(len(columns)) if i == 0 or any(row[i] != "–" for row in rows)]
    show_table(tuple(columns[i] for i in kept), [tuple(row[i] for i in kept) for row in rows])
    warnings += [f"{v.name}: {w}" for v in variants for w in (*v.warnings, *([v.error] if v.error else []))]
    show_warnings(warnings)
