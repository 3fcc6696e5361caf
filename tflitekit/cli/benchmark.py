"""`tflitekit benchmark`."""

from __future__ import annotations

from typing import Annotated

import typer

from tflitekit.cli.shared import Files, Json, Threads, app, guarded, print_json, progress


@app.command()
@guarded
def benchmark(
    files: Files,
    threads: Threads = 1,
    runs: Annotated[int | None, typer.Option(min=1, help="At least this many measured runs.")] = None,
    target: Annotated[str, typer.Option(help="Where to run.")] = "host",
    as_json: Json = False,
) -> int:
    """Measures initialization, latency and peak memory of .tflite files, each in a fresh process."""
    from tflitekit.benchmarking import benchmark as run

    rows = run(files, threads=threads, target=target, runs=runs, progress=progress())
    if as_json:
        print_json({"variants": [row.model_dump(mode="json") for row in rows]})
        return 0
    from tflitekit.console import show_table, stdout
    from tflitekit.report import text

    cells = []
    for row in rows:
        found = row.latency
        assert found is not None
        times = (found.init_ms, found.first_ms, found.median_ms, found.p90_ms, found.p99_ms)
        cells.append(
            (row.name, *(text.milliseconds(t) for t in times), f"{found.runs:,}", text.size(row.peak_memory_bytes))
        )
    columns = ("File", "Init ms", "First ms", "p50 ms", "p90 ms", "p99 ms", "Runs", "Peak memory")
    show_table(columns, cells)
    latency = rows[0].latency
    assert latency is not None
    stdout.print(
        f"{latency.target}, {latency.machine.get('cpu', '?')}, {threads} thread{'s' if threads > 1 else ''}, "
        f"{latency.runtime}. Figures of this host say little about a phone.",
        style="dim",
        markup=False,
    )
    return 0
