"""What searches found, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Protocol

from tflitekit.core.units import duration
from tflitekit.render import text
from tflitekit.tflite.search_record import SearchRecord

__all__ = ["Searched", "changes", "layers", "loss", "searched", "sentences", "types"]

_LOST = {
    "accuracy": "of the accuracy",
    "agreement": "of the float model's answers",
    "fidelity": "of an output's variance",
}


class Searched(Protocol):
    """A variant or its row in a report."""

    @property
    def name(self) -> str: ...
    @property
    def search(self) -> SearchRecord | None: ...


def loss(record: SearchRecord) -> str:
    """Returns the estimate with its upper end."""
    return f"{record.loss:.2%} (at most {record.high:.2%})"


def types(counts: dict[str, int]) -> str:
    """Returns '9 layers in int4 and 1 in int8'."""
    named = [f"{count} in {kind}" for kind, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    first, *others = named or ["none"]
    number, _, rest = first.partition(" ")
    return text.listed([f"{text.counted(int(number), 'layer')} {rest}" if named else first, *others])


def layers(record: SearchRecord) -> str:
    """Returns how many layers have which type, and names those that are not of the most common one."""
    counts = Counter(layer.type for layer in record.layers)
    if not counts:
        return ""
    [(usual, _)] = counts.most_common(1)
    others = [f"'{layer.name}' in {layer.type}" for layer in record.layers if layer.type != usual]
    shown = others[:4] + ([f"{len(others) - 4} more"] if len(others) > 4 else [])
    return types({kind: count for kind, count in counts.items()}) + (f": {text.listed(shown)}" if shown else "")


def changes(record: SearchRecord) -> list[str]:
    """Returns each cure with what it brought."""
    return [
        f"{each.change}: {each.before:.2%} become {each.loss:.2%}, {each.size_bytes:,} bytes"
        + ("" if each.kept else "; not kept")
        for each in record.changes
    ]


def sentences(record: SearchRecord) -> list[str]:
    """Returns what was found, on what it was judged, and how the search ended."""
    whose = "the samples that were calibrated on" if record.calibrated else "other samples than were calibrated on"
    found = [f"{layers(record)}."] if record.layers else []
    if record.activations == "int16":
        found.append(
            f"All activations are {record.activations}: with int8 ones too much is lost whatever the weights are."
        )
    elif record.activations == "float32":
        found.append("All activations are float, as in dynamic_range.")
    found += list(_limits(record))
    if record.timings:
        found.append(_timings(record))
    found.append(
        f"{text.counted(record.tried, 'candidate')} judged on {record.samples:,} samples of {record.data} ({whose}), "
        f"{'with' if record.labels else 'without'} labels, in {record.seconds:.0f} s."
    )
    if record.ended == "budget":
        found.append("The search ended with its budget; run it again with a larger --search-budget to go on.")
    elif record.ended == "stopped":
        found.append("The search was stopped; run it again to go on.")
    if record.following:
        found.append(f"Next would be: {record.following}.")
    return found


def _timings(record: SearchRecord) -> str:
    """Returns what the files took that were measured side by side, the fastest first."""
    shown = [
        f"{each.name} {duration(each.latency_ms)}"
        + (" (kept)" if each.chosen else "" if each.within else f" (loses up to {each.high:.2%}, {text.size(each.size_bytes)}: not within the limits)")
        for each in sorted(record.timings, key=lambda each: each.latency_ms)
    ]  # fmt: skip
    limit = record.latency_limit_ms
    missed = (
        ""
        if "latency" not in record.missed or limit is None
        else f" None that keeps the others is within the limit of {limit:g} ms."
    )
    return f"Measured side by side on {record.timed_on}: {text.listed(shown)}.{missed}"


def _limits(record: SearchRecord) -> Iterator[str]:
    """Yields what the file keeps of each limit; where no candidate keeps all of them, what the others lack."""
    nearest = ", which no candidate keeps: this one comes nearest."
    beyond = "loss" in record.missed or (not record.missed and not record.met)  # earlier records have no list
    yield f"Expected to lose {loss(record)} {_LOST[record.judged_by]}; the limit is {record.limit:.2%}{nearest if beyond else '.'}"
    if record.class_limit is not None and record.class_loss is not None and record.class_high is not None:
        yield (
            f"The recall of '{record.worst_class}', which loses most, is expected to lose {record.class_loss:.2%} (at most "
            f"{record.class_high:.2%}); the limit is {record.class_limit:.2%}{nearest if 'class_loss' in record.missed else '.'}"
        )
    if record.size_limit is not None and "size" in record.missed:
        fitting = [point for point in record.path if point.size_bytes <= record.size_limit]
        yield f"It has more than {text.size(record.size_limit)}, the limit. " + (
            f"Of the candidates within it the best loses {min(point.loss for point in fitting):.2%} (at most "
            f"{min(point.high for point in fitting):.2%})."
            if fitting
            else f"No candidate is within it; the smallest has {text.size(min(p.size_bytes for p in record.path))}."
        )


def searched(rows: Sequence[Searched]) -> list[tuple[str, SearchRecord]]:
    """Returns the variants that were searched for."""
    return [(row.name, row.search) for row in rows if row.search is not None]
