"""`tflitekit benchmark`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tflitekit.cli.commands import command, print_json
from tflitekit.cli.keeping import Keeper
from tflitekit.cli.options import takes_options
from tflitekit.cli.shared import as_json, files, out, progress
from tflitekit.core.errors import UsageError
from tflitekit.options.benchmark import BenchmarkOptions
from tflitekit.options.store import StoreOptions

if TYPE_CHECKING:
    from tflitekit.results import Latency, Report, VariantReport

_WIDE = 110
_SHOWN_OPS = 12


@command(
    "tflitekit benchmark build/*.tflite",
    "tflitekit benchmark build/int8.tflite --threads 1,2,4 --profile --protocol mlperf-mobile --out measured",
    "tflitekit benchmark build/*.tflite --target adb --app demo.apk",
)
@files
@takes_options(BenchmarkOptions, "how")
@out(None, help="Folder to write a report to.")
@takes_options(StoreOptions, "keep")
@as_json
def benchmark(
    files: tuple[Path, ...], how: BenchmarkOptions, out: Path | None, keep: StoreOptions, as_json: bool
) -> int:
    """Measures initialization, latency and peak memory of .tflite files, in interleaved rounds."""
    from tflitekit.latency.benchmarking import benchmark as run

    if out is not None:
        _check_out(out)
    keeper = Keeper(keep, is_named=False)
    report = run(files, progress=progress(), **how.given())
    if out is not None:
        from tflitekit.core.files import locked
        from tflitekit.render import write_all

        with locked(out):
            write_all(report, out)
    if not as_json:
        _show(report)
    keeper.keep(report, out)
    if as_json:
        print_json(report.to_json())
    return 1 if any(row.latency is None for row in report.variants) else 0


def _check_out(out: Path) -> None:
    from tflitekit.results import read_report

    if (out / "report.json").is_file() and read_report(out).dataset is not None:
        raise UsageError(
            f"{out} holds the report of 'tflitekit optimize', which this one would replace.", fix="Give another --out."
        )


def _show(report: Report) -> None:
    from tflitekit.cli.console import print_dim, show_table, stdout
    from tflitekit.cli.views.report import show_findings, show_targets
    from tflitekit.render import text
    from tflitekit.render.load import load
    from tflitekit.render.summary import grouped_warnings

    wide = stdout.width >= _WIDE
    several = any(row.other_latencies for row in report.variants)
    columns = [
        "File",
        "Init",
        "First",
        "p50",
        "± 95 %",
        "p90",
        "p99",
        "Against",
        "Runs",
        "Memory",
        "Arena",
    ]
    dropped = set() if wide else {"Init", "p99", "Runs", "Arena"} | ({"First"} if several else set())
    measured = [(row, one) for row in report.variants for one in (row.latency, *row.other_latencies) if one is not None]
    added = {
        "Threads": len({one.threads for _, one in measured}) > 1,
        "On": len({one.target for _, one in measured}) > 1,
    }
    columns[1:1] = [name for name, wanted in added.items() if wanted]
    cells = [_cells(row, found, added) for row, found in measured]
    kept = [index for index, column in enumerate(columns) if column not in dropped]
    show_table(tuple(columns[i] for i in kept), [tuple(cell[i] for i in kept) for cell in cells])
    for row in report.variants:
        _show_profile(row)
    methods = dict.fromkeys(row.profile.method for row in report.variants if row.profile)
    for method in methods:
        print_dim(method)
    for row in report.variants:
        if row.sustained is not None:
            stdout.print(f"{row.name}: {load(row.sustained)}", markup=False)
    found = next(row.latency for row in report.variants if row.latency is not None)
    print_dim(
        f"{found.target}, {found.machine.get('cpu', '?')}, {found.runtime}; protocol {found.protocol}, {text.counted(found.rounds, 'round')}, "
        f"ended by {found.stopped_by}; the {found.statistic} decides. Against {report.baseline}: times its time, paired by "
        f"round.{text.measured_shapes(found)} Storing inputs and fetching outputs are not in the times."
        + ("" if found.counts else _caveat(found))
    )
    show_targets(report.variants)
    show_findings(grouped_warnings(report))


def _caveat(found: Latency) -> str:
    from tflitekit.results import provenance_of

    if provenance_of(found.target_kind) == "measured":
        return " Figures of this host say little about a phone."
    return " The hardware is emulated, and this latency says nothing about any."


def _cells(row: VariantReport, found: Latency, added: Mapping[str, bool]) -> tuple[str, ...]:
    from tflitekit.render import text

    times = (found.init_ms, found.first_ms, found.median_ms)
    cells = [row.name, *map(text.duration, times), text.precision(found)]
    cells += [text.duration(found.p90_ms), text.duration(found.p99_ms)]
    cells += [text.against(found), f"{found.runs:,}", text.size(row.peak_memory_bytes), text.size(row.arena_bytes)]
    extra = {"Threads": str(found.threads), "On": found.target}
    cells[1:1] = [extra[name] for name, wanted in added.items() if wanted]
    return tuple(cells)


def _show_profile(row: VariantReport) -> None:
    from tflitekit.cli.console import print_dim, show_table

    if row.profile is None:
        return
    ops = sorted(row.profile.ops, key=lambda op: -op.time_us)
    shown = ops[:_SHOWN_OPS]
    rows = [(f"{op.index}", op.op, op.layer or "–", f"{op.time_us:,.1f}", f"{op.share:.1%}") for op in shown]
    if rest := ops[_SHOWN_OPS:]:
        time_us, share = sum(op.time_us for op in rest), sum(op.share for op in rest)
        rows.append(("", f"{len(rest)} others", "", f"{time_us:,.1f}", f"{share:.1%}"))
    show_table(("#", "Operator", "Layer", "µs", "Share"), rows, title=f"{row.name}: where the time goes")
    print_dim(f"Sum {row.profile.sum_us:,.1f} µs; a whole inference {row.profile.whole_us:,.1f} µs.")
