"""Speed: distributions, ratios, threads, sustained load."""

from __future__ import annotations

from typing import Any

import numpy as np

from tflitekit.report import text
from tflitekit.report.blocks import NOTHING, Cell, Choice, Column, Figure, Note, Section, Table, side_by_side
from tflitekit.report.plots.speed import (
    latency_distribution,
    latency_ratio,
    sustained_load,
    thread_scaling,
)
from tflitekit.report.sections import View, named
from tflitekit.report.summary import latency_conditions, latency_is_of_host
from tflitekit.results import Latency, VariantReport

__all__ = ["latency"]

_MOST_SAMPLES = 160
_MOST_WINDOWS = 200


def latency(view: View) -> Section:
    """Returns everything about speed but the profile."""
    timed = [row for row in view.able if row.latency]
    blocks = (
        _host_note(view, timed),
        *side_by_side(_distribution(view, timed), _ratios(view, timed)),
        _figures(view, timed),
        _surroundings(view, timed),
        *side_by_side(_threads(view), _sustained(view)),
    )
    return Section("latency", "Latency", latency_conditions(view.report), blocks if timed else ())


def _host_note(view: View, timed: list[VariantReport]) -> Note | None:
    if not timed or not latency_is_of_host(view.report):
        return None
    return Note(
        "Not measured on the target: figures of this host say little about a phone and decided nothing.", "warn"
    )


def _distribution(view: View, timed: list[VariantReport]) -> Figure | None:
    samples = {}
    for row in timed:
        if row.latency and row.latency.samples and (rounds := row.latency.samples.rounds()):
            samples[row.name] = np.concatenate(rounds) / 1000
    shown = [row for row in timed if row.name in samples and samples[row.name].size]
    if not shown:
        return None
    specs = {}
    for key, relative in enumerate((False, True)):
        scaled, medians = {}, []
        for row in shown:
            found = row.latency
            assert found is not None
            by = found.median_ms if relative else 1.0
            scaled[row.name] = samples[row.name] / by
            tip = {"title": row.name, "Median": f"{text.milliseconds(found.median_ms)} ms"}
            tip |= {
                "95 % interval": text.latency_interval(found) or "none",
                "p99": f"{text.milliseconds(found.p99_ms)} ms",
            }
            medians.append(
                {"variant": row.name, "median": found.median_ms / by, "label": tip["Median"], "tooltip": tip}
                | {"low": found.median_low_ms and found.median_low_ms / by}
                | {"high": found.median_high_ms and found.median_high_ms / by}
            )
        told = "; ".join(f"{row.name}: median {text.latency(row.latency)}" for row in shown[:12] if row.latency)
        specs[str(key)] = latency_distribution(
            scaled,
            medians,
            view.looks,
            title="Relative to the variant's own median" if relative else "Time of one inference, ms",
            about=f"Distribution of latency samples by variant. {told}.",
            relative=relative,
            most=view.room(_MOST_SAMPLES),
        )
    caption = (
        f"Each dot is one inference, up to {view.room(_MOST_SAMPLES)} for a variant; the slowest hundredth is left out. The bar is the median, the "
        "thick line its 95 % interval."
    )
    choice = Choice("Scale", ("ms", "Relative"))
    return Figure("latency-samples", "Distribution", caption, specs, choices=(choice,))


def _ratios(view: View, timed: list[VariantReport]) -> Figure | None:
    values: list[dict[str, Any]] = []
    for row in timed:
        found = row.latency.ratio if row.latency else None
        if view.is_base(row):
            values.append({"variant": row.name, "ratio": 1, "low": 1, "high": 1, "verdict": "tie", "label": "baseline"})
        if found is None:
            continue
        tip = {"title": row.name, "Time": f"{found.value:.3g} times that of {found.baseline}"}
        tip |= {"95 % interval": text.between(found.low, found.high, lambda v: f"{v:.3g}"), "Verdict": found.verdict}
        values.append(
            {"variant": row.name, "ratio": found.value, "low": found.low, "high": found.high}
            | {"verdict": found.verdict, "label": text.ratio(found), "tooltip": tip}
        )
    base = next((row.latency.ratio.baseline for row in timed if row.latency and row.latency.ratio), None)
    if base is None:
        return None
    told = "; ".join(f"{entry['variant']}: {entry['label']}" for entry in values[:12])
    spec = latency_ratio(values, title=f"Time relative to {base}", about=f"Time relative to {base}. {told}.")
    caption = f"Paired by round, so a drift of the machine hits both alike. Below 1 is faster than {base}; lines are 95 % intervals."
    return Figure("latency-ratio", f"Against {base}", caption, {"": spec})


def _figures(view: View, timed: list[VariantReport]) -> Table | None:
    columns = (
        Column("Variant", numeric=False),
        Column("Load ms", about="To read the file, up to allocated tensors"),
        Column("First ms", about="The first inference after loading"),
        Column("Median ms", about="Below it the 95 % interval"),
        Column("Mean ms"),
        Column("p90 ms"),
        Column("p99 ms"),
        Column("Throughput", about="Median of the windows"),
        Column("Runs", about="Measured inferences; below it in how many rounds, and why measuring ended"),
    )
    rows = []
    for row in timed:
        found = row.latency
        assert found is not None
        times = (found.init_ms, found.first_ms, found.median_ms, found.mean_ms, found.p90_ms, found.p99_ms)
        cells = [Cell(text.milliseconds(value), value) for value in times]
        interval = text.between(found.median_low_ms, found.median_high_ms, text.milliseconds)
        cells[2] = Cell(cells[2].text, found.median_ms, interval)
        throughput = found.throughput_per_s
        rounds = f"{text.counted(found.rounds, 'round')}, {found.stopped_by}"
        rows.append(
            (
                named(view, row),
                *cells,
                Cell(text.per_second(throughput), float(np.median(throughput))) if throughput else NOTHING,
                Cell(f"{found.runs:,}", found.runs, rounds),
            )
        )
    return Table.of("Latency by variant", columns, rows)


def _surroundings(view: View, timed: list[VariantReport]) -> Table | None:
    columns = (
        Column("Variant", numeric=False),
        Column("Inputs us", about="To store and quantize the inputs"),
        Column("Outputs us", about="To fetch and dequantize the outputs"),
        Column("Harness us", about="What the kit's own loop adds to each measured inference"),
        Column("Accelerator", numeric=False, about="What ran the model, and the operators that it took"),
    )
    rows = []
    for row in timed:
        found = row.latency
        assert found is not None
        micro = (found.input_us, found.output_us, found.harness_us)
        cells = [NOTHING if value is None else Cell(f"{value:.3g}", value) for value in micro]
        rows.append((named(view, row), *cells, _accelerator(found)))
    title = "Around the inference: inputs, outputs, harness, accelerator"
    more = "Inputs and outputs are not part of the latencies above."
    return Table.of(title, columns, rows, folded=title, more=more)


def _accelerator(found: Latency) -> Cell:
    used = found.accelerator
    if used is None:
        return NOTHING
    note = "" if used.delegated_nodes is None else f"{used.delegated_nodes} of {used.nodes} operators"
    if note and used.partitions is not None:
        note += f" in {text.counted(used.partitions, 'part')}"
    if used.requested != used.actual:
        return Cell(f"{used.actual}, not {used.requested}", note=note, tone="bad")
    return Cell(f"{used.actual}, {used.delegate}" if used.delegate else used.actual, note=note)


def _threads(view: View) -> Figure | None:
    values: list[dict[str, Any]] = []
    rows = []
    counts = sorted(
        {f.threads for row in view.able for f in (row.latency, *row.other_latencies) if f and row.other_latencies}
    )
    for row in view.able:
        by_threads = {
            found.threads: found for found in (row.latency, *row.other_latencies) if found and found.median_ms > 0
        }
        if len(by_threads) < 2:
            continue
        fewest = by_threads[min(by_threads)]
        for threads, found in sorted(by_threads.items()):
            speedup = fewest.median_ms / found.median_ms
            tip = {"title": row.name, "Threads": str(threads), "Median": f"{text.milliseconds(found.median_ms)} ms"}
            values.append(
                {"variant": row.name, "threads": threads, "speedup": speedup}
                | {"tooltip": tip | {"Times as fast": f"{speedup:.3g}"}}
            )
        cells = [
            Cell(
                text.milliseconds(by_threads[count].median_ms),
                by_threads[count].median_ms,
                text.latency_interval(by_threads[count]),
            )
            if count in by_threads
            else NOTHING
            for count in counts
        ]
        rows.append((named(view, row), *cells))
    if not values:
        return None
    columns = (Column("Variant", numeric=False), *(Column(f"{text.counted(count, 'thread')}, ms") for count in counts))
    about = "Speed-up with more threads, by variant; the table below has the medians."
    return Figure(
        "threads",
        "Threads",
        "Median latency with the fewest threads, over that with more. The dashed line is no gain.",
        {"": thread_scaling(values, view.looks, about=about)},
        legend=view.legend([entry["variant"] for entry in values]),
        table=Table.of("Median latency by number of threads", columns, rows, folded="Medians by number of threads"),
    )


def _sustained(view: View) -> Figure | None:
    loaded = [(row, row.sustained) for row in view.able if row.sustained and row.sustained.start_ms > 0]
    if not loaded:
        return None
    values, rows = [], []
    starts = {row.name: found.start_ms for row, found in loaded}
    ends = {row.name: found.end_ms for row, found in loaded}
    for row, found in loaded:
        step = -(-len(found.times_s) // view.room(_MOST_WINDOWS)) or 1
        values += [
            {"variant": row.name, "minute": round(time / 60, 3), "change": round(median / found.start_ms, 4)}
            for time, median in list(zip(found.times_s, found.median_ms, strict=True))[::step]
        ]
        rows.append(
            (
                named(view, row),
                Cell(text.milliseconds(found.start_ms), found.start_ms),
                Cell(text.milliseconds(found.end_ms), found.end_ms),
                Cell(f"{found.change:.2f}×", found.change, tone="bad" if found.change > 1.1 else ""),
                Cell(str(sorted(starts.values()).index(found.start_ms) + 1)),
                Cell(str(sorted(ends.values()).index(found.end_ms) + 1)),
            )
        )
    heads = ("Start ms", "End ms", "Change", "Rank at start", "Rank at end")
    minutes = max(found.minutes for _, found in loaded)
    told = "; ".join(f"{row.name} ends at {found.change:.2f} times its start" for row, found in loaded[:12])
    return Figure(
        "sustained",
        "Sustained load",
        f"Median of each window over {minutes:g} minutes without a pause, relative to the first tenth. A curve that rises "
        "shows a device that throttles.",
        {"": sustained_load(values, view.looks, about=f"Latency under sustained load. {told}.")},
        legend=view.legend([row.name for row, _ in loaded]),
        table=Table.of(
            "Latency at the start and at the end",
            (Column("Variant", numeric=False), *map(Column, heads)),
            rows,
            folded="Start and end, with ranks",
        ),
    )
