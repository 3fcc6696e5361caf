"""Speed: distributions, ratios, threads, sustained load."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.render import text
from tflitekit.render.blocks import NOTHING, Badge, Cell, Choice, Column, Figure, Note, Section, Table, side_by_side
from tflitekit.render.load import battery, energy, warmth
from tflitekit.render.plots import Spec
from tflitekit.render.plots.speed import (
    latency_distribution,
    latency_ratio,
    sustained_load,
    thread_scaling,
)
from tflitekit.render.sections import View, named, section
from tflitekit.render.summary import Place, latency_conditions, latency_is_of_host, places
from tflitekit.results import Latency, Sustained, VariantReport

__all__ = ["latency"]

_MOST_SAMPLES = 80
_MOST_WINDOWS = 80


@section(place=40)
def latency(view: View) -> Section:
    """Returns everything about speed but the profile."""
    timed = [row for row in view.able if row.latency]
    several = places(view.report)
    where = several or [Place("", {row.name: row.latency for row in timed if row.latency})]
    blocks = (
        _host_note(view, timed),
        _by_place(view, several),
        *side_by_side(_distribution(view, where), _ratios(view, where)),
        _figures(view, timed),
        _surroundings(view, timed),
        *side_by_side(_threads(view), _sustained(view)),
    )
    return Section("latency", "Latency", latency_conditions(view.report), blocks if timed else ())


def _host_note(view: View, timed: list[VariantReport]) -> Note | None:
    if not timed or not latency_is_of_host(view.report):
        return None
    return Note("Not measured on the target: figures of this host say little about a phone and did not count.", "warn")


def _by_place(view: View, several: list[Place]) -> Table | None:
    about = "The figure that decides; below it its 95 % interval, and the speed against the baseline on the same target"
    columns = [Column("Variant", numeric=False), *(Column(place.label, about=about) for place in several[:1])]
    columns += [Column(place.label) for place in several[1:]]
    rows = []
    for row in view.able:
        cells = [_on_place(row, place.latencies.get(row.name), marks=len(several) > 2) for place in several]
        if any(cell != NOTHING for cell in cells):
            rows.append((named(view, row), *cells))
    more = "Each speed is relative to the baseline on the same target; a ratio never mixes the times of two targets."
    return Table.of("Latency by target", columns, rows, more=more) if several else None


def _on_place(row: VariantReport, found: Latency | None, *, marks: bool) -> Cell:
    if found is None:
        return NOTHING
    note = [part for part in (text.latency_interval(found), text.ratio(found.ratio) if found.ratio else "") if part]
    badges = (Badge("decides", "accent"),) if marks and found is row.latency else ()
    return Cell(text.latency(found), found.deciding_ms, ", ".join(note), badges=badges)


def _switch(where: list[Place]) -> tuple[Choice, ...]:
    return (Choice("Measured on", tuple(place.label for place in where)),) if len(where) > 1 else ()


def _shown_rows(view: View, place: Place) -> list[tuple[VariantReport, Latency]]:
    return [(row, found) for row in view.able if (found := place.latencies.get(row.name))]


def _distribution(view: View, where: list[Place]) -> Figure | None:
    specs: dict[str, Spec] = {}
    kept: list[Place] = []
    for place in where:
        timed = _shown_rows(view, place)
        samples = {
            row.name: np.concatenate(rounds) / 1000
            for row, found in timed
            if found.samples and (rounds := found.samples.rounds())
        }
        shown = [(row, found) for row, found in timed if row.name in samples and samples[row.name].size]
        if not shown:
            continue
        for key, relative in enumerate((False, True)):
            number = f"{len(kept)} " if len(where) > 1 else ""
            specs[f"{number}{key}"] = _samples_plot(view, shown, samples, place, relative=relative)
        kept.append(place)
    if not specs:
        return None
    if len(kept) == 1 and len(where) > 1:
        specs = {key.partition(" ")[2]: spec for key, spec in specs.items()}
    caption = (
        f"Each dot is one inference, up to {view.room(_MOST_SAMPLES)} for a variant; the slowest hundredth is left out. The bar is the median, the "
        "thick line its 95 % interval."
    )
    choices = (*_switch(kept), Choice("Scale", ("ms", "Relative")))
    return Figure("latency-samples", "Distribution", caption, specs, choices=choices)


def _samples_plot(
    view: View,
    shown: list[tuple[VariantReport, Latency]],
    samples: dict[str, NDArray[np.float64]],
    place: Place,
    *,
    relative: bool,
) -> Spec:
    scaled, medians = {}, []
    for row, found in shown:
        by = (found.median_ms or 1.0) if relative else 1.0  # a clock too coarse for the model measures nothing
        scaled[row.name] = samples[row.name] / by
        tip = {"title": row.name, "Median": text.duration(found.median_ms)}
        tip |= {
            "95 % interval": text.latency_interval(found) or "none",
            "p99": text.duration(found.p99_ms),
        }
        medians.append(
            {"variant": row.name, "median": found.median_ms / by, "label": tip["Median"], "tooltip": tip}
            | {"low": found.median_low_ms and found.median_low_ms / by}
            | {"high": found.median_high_ms and found.median_high_ms / by}
        )
    told = "; ".join(f"{row.name}: median {text.latency(found)}" for row, found in shown[:12])
    on = f" on {place.label}" if place.label else ""
    return latency_distribution(
        scaled,
        medians,
        view.looks,
        title="Relative to the variant's own median" if relative else "Time of one inference, ms",
        about=f"Distribution of latency samples by variant{on}. {told}.",
        relative=relative,
        most=view.room(_MOST_SAMPLES),
    )


def _ratios(view: View, where: list[Place]) -> Figure | None:
    specs: dict[str, Spec] = {}
    kept: list[Place] = []
    base = None
    for place in where:
        timed = _shown_rows(view, place)
        name = next((found.ratio.baseline for _, found in timed if found.ratio), None)
        if name is not None:
            specs[str(len(kept))] = _ratio_plot(view, timed, name, place)
            kept.append(place)
            base = name
    if base is None:
        return None
    caption = f"Paired by round, so a drift of the machine hits both alike. Below 1 is faster than {base}; lines are 95 % intervals."
    if len(kept) == 1:
        specs = {"": specs["0"]}
    return Figure("latency-ratio", f"Against {base}", caption, specs, choices=_switch(kept))


def _ratio_plot(view: View, timed: list[tuple[VariantReport, Latency]], base: str, place: Place) -> Spec:
    values: list[dict[str, Any]] = []
    for row, latency in timed:
        found = latency.ratio
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
    told = "; ".join(f"{entry['variant']}: {entry['label']}" for entry in values[:12])
    on = f" on {place.label}" if place.label else ""
    return latency_ratio(values, title=f"Time relative to {base}", about=f"Time relative to {base}{on}. {told}.")


def _figures(view: View, timed: list[VariantReport]) -> Table | None:
    columns = (
        Column("Variant", numeric=False),
        Column("Load", about="Reading the file, up to allocated tensors"),
        Column("First", about="The first inference after loading"),
        Column("Median", about="Below it the 95 % interval"),
        Column("Mean"),
        Column("p90"),
        Column("p99"),
        Column("Throughput", about="Median of the windows"),
        Column("Runs", about="Measured inferences; below it in how many rounds, and why measuring ended"),
    )
    rows = []
    for row in timed:
        found = row.latency
        assert found is not None
        times = (found.init_ms, found.first_ms, found.median_ms, found.mean_ms, found.p90_ms, found.p99_ms)
        cells = [Cell(text.duration(value), value) for value in times]
        interval = text.between(found.median_low_ms, found.median_high_ms, text.duration)
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
        Column("Inputs µs", about="Storing and quantizing the inputs"),
        Column("Outputs µs", about="Fetching and dequantizing the outputs"),
        Column("Harness µs", about="Time that the kit's own loop adds to each measured inference"),
        Column("Accelerator", numeric=False, about="What ran the model, and which operators it took"),
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


def _by_threads(row: VariantReport) -> dict[int, Latency]:
    """Returns what was measured as the deciding latency was, but for the number of threads."""
    first = row.latency
    if first is None:
        return {}
    ran = first.accelerator.requested if first.accelerator else None
    return {
        found.threads: found
        for found in (first, *row.other_latencies)
        if found.target == first.target
        and found.median_ms > 0
        and (found.accelerator.requested if found.accelerator else None) == ran
    }


def _threads(view: View) -> Figure | None:
    values: list[dict[str, Any]] = []
    rows = []
    by_row = {row.name: by for row in view.able if len(by := _by_threads(row)) > 1}
    counts = sorted({threads for by in by_row.values() for threads in by})
    for row in view.able:
        by_threads = by_row.get(row.name)
        if by_threads is None:
            continue
        fewest = by_threads[min(by_threads)]
        for threads, found in sorted(by_threads.items()):
            speedup = fewest.median_ms / found.median_ms
            tip = {"title": row.name, "Threads": str(threads), "Median": text.duration(found.median_ms)}
            values.append(
                {"variant": row.name, "threads": threads, "speedup": speedup}
                | {"tooltip": tip | {"Times as fast": f"{speedup:.3g}"}}
            )
        cells = [
            Cell(
                text.duration(by_threads[count].median_ms),
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
    columns = (Column("Variant", numeric=False), *(Column(text.counted(count, "thread")) for count in counts))
    about = "Speed-up with more threads, by variant; the table below has the medians."
    return Figure(
        "threads",
        "Threads",
        "Median latency with the fewest threads, over that with more. The dashed line means no gain.",
        {"": thread_scaling(values, view.looks, about=about)},
        legend=view.legend([entry["variant"] for entry in values]),
        table=Table.of("Median latency by number of threads", columns, rows, folded="Medians by number of threads"),
    )


def _energy(found: Sustained) -> str:
    return energy(found.energy) if found.energy else ""


def _sustained(view: View) -> Figure | None:
    loaded = [(row, row.sustained) for row in view.able if row.sustained and row.sustained.start_ms > 0]
    if not loaded:
        return None
    values, rows = [], []
    told_by_phones = {"Heat": warmth, "Battery": battery, "Energy an inference": _energy}
    shown = {head: show for head, show in told_by_phones.items() if any(show(found) for _, found in loaded)}
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
                Cell(text.duration(found.start_ms), found.start_ms),
                Cell(text.duration(found.end_ms), found.end_ms),
                Cell(f"{found.change:.2f}×", found.change, tone="bad" if found.change > 1.1 else ""),
                Cell(str(sorted(starts.values()).index(found.start_ms) + 1)),
                Cell(str(sorted(ends.values()).index(found.end_ms) + 1)),
                *(Cell(show(found) or "–") for show in shown.values()),
            )
        )
    heads = ("Start", "End", "Change", "Rank at start", "Rank at end", *shown)
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
