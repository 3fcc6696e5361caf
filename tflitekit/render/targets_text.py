"""What further targets say of variants, in the words of every view: each figure with what it is, measured, emulated or estimated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tflitekit.render import text
from tflitekit.results import Examination, OnTarget, VariantReport

__all__ = ["Told", "heading", "lines", "named_targets", "notes", "table", "told", "told_once"]

_MOST_WHY = 300


class Told(NamedTuple):
    """What one target says of one variant.

    Attributes:
        main: The figure that comes first.
        more: What else there is, in the order of importance.
        refused: Whether it does not run there.
    """

    main: str
    more: tuple[str, ...] = ()
    refused: bool = False


def named_targets(rows: Sequence[VariantReport]) -> dict[str, OnTarget]:
    """Returns the further targets of a report in their order, each with what it says of the first variant."""
    found: dict[str, OnTarget] = {}
    for row in rows:
        for one in row.on_targets:
            found.setdefault(one.target, one)
    return found


def heading(found: OnTarget) -> str:
    """Returns 'arm64-emulated (emulated)'."""
    return f"{found.target} ({found.provenance})"


def told(found: OnTarget | None) -> Told | None:
    """Returns what a target says of a variant; None where it was not asked."""
    if found is None:
        return None
    if found.refused is not None:
        why = found.refused if len(found.refused) <= _MOST_WHY else f"{found.refused[: _MOST_WHY - 1]}…"
        return Told("does not run", (why,), refused=True)
    parts = [*_samples(found), *_examined(found.examination)]
    return Told(parts[0], tuple(parts[1:])) if parts else Told("runs")


def _samples(found: OnTarget) -> list[str]:
    if found.samples is None:
        return []
    parts = []
    figure = found.accuracy or found.likeness
    if figure is not None:
        parts.append(text.measured(figure))
    if found.identical is not None:
        parts.append(_beside_host(found))
    if found.drop_from_host is not None and found.identical != found.samples:
        parts.append(f"against this host: {found.drop_from_host.verdict}")
    return parts


def _beside_host(found: OnTarget) -> str:
    assert found.samples is not None
    same = f"{found.identical:,} of {found.samples:,} samples identical to this host"
    if found.identical == found.samples or found.deviation is None:
        return same
    return f"{same}, off by at most {found.deviation:.2g}"


def _examined(found: Examination | None) -> list[str]:
    if found is None:
        return []
    parts = []
    if found.placements:
        on = [one for one in found.placements if not one.stays_behind]
        where = on[0].where if on else "accelerator"
        parts.append(f"{len(on)} of {text.counted(len(found.placements), 'operator')} on the {where}")
    sizes = (("arena", found.arena_bytes), ("SRAM", found.sram_bytes), ("flash", found.flash_bytes))
    parts += [f"{name} {text.size(size)}" for name, size in sizes if size is not None]
    if found.estimated_ms is not None:
        parts.append(f"estimated {found.estimated_ms:.3g} ms")
    return parts


def table(rows: Sequence[VariantReport]) -> tuple[list[str], list[list[str]]]:
    """Returns a row for each variant and a column for each further target; nothing without."""
    targets = named_targets(rows)
    if not targets:
        return [], []
    found = []
    for row in rows:
        by_name = {one.target: one for one in row.on_targets}
        cells = [told(by_name.get(name)) for name in targets]
        if any(cells):
            found.append([row.name, *("–" if one is None else "; ".join((one.main, *one.more)) for one in cells)])
    return ["Variant", *map(heading, targets.values())], found


def lines(rows: Sequence[VariantReport]) -> tuple[list[str], list[list[str]]]:
    """Returns the same with a line for each target and variant, for views that are narrow."""
    found = []
    for name, first in named_targets(rows).items():
        for row in rows:
            said = told(next((one for one in row.on_targets if one.target == name), None))
            if said is not None:
                found.append([heading(first), row.name, "; ".join((said.main, *said.more))])
    return (["Target", "Variant", "Found"] if found else []), found


def notes(rows: Sequence[VariantReport]) -> list[str]:
    """Returns what each target is and what it assumed, and what its tools say besides, once each."""
    found = []
    for name, first in named_targets(rows).items():
        asked = [(row.name, one.examination) for row in rows for one in row.on_targets if one.target == name]
        said = {file: one for file, one in asked if one is not None}
        good = text.listed(first.good_for) if first.good_for else "nothing but what its tools say"
        parts = [f"{name}: {first.runtime}; {first.provenance}, good for {good}."]
        parts += dict.fromkeys(f"It assumes {one.configuration}." for one in said.values() if one.configuration)
        parts += told_once({file: one.notes for file, one in said.items()})
        found.append(" ".join(parts))
    return found


def told_once(notes: Mapping[str, Iterable[str]]) -> list[str]:
    """Returns the notes on each variant once: with the names of those that they are on, where these are not all."""
    named: dict[str, list[str]] = {}
    for name, own in notes.items():
        for note in own:
            named.setdefault(note, []).append(name)
    return [note if len(names) == len(notes) else f"{', '.join(names)}: {note}" for note, names in named.items()]
