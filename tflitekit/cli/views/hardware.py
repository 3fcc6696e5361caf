"""The terminal's view of profiles of hardware, and of what they say about a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tflitekit.cli.console import print_points, show_table, stdout
from tflitekit.hardware import Judgement, Profile, Verdict
from tflitekit.hardware.profile import REFUSED, Rule
from tflitekit.hardware.words import shown_type
from tflitekit.render import targets_text

if TYPE_CHECKING:
    from tflitekit.results import OnTarget

__all__ = ["show_examined", "show_judgement", "show_profile", "show_profiles"]

_COLORS: dict[Verdict, str] = {
    "runs": "green",
    "computes otherwise": "yellow",
    "not known": "yellow",
    "falls back": "red",
    "would not run": "red",
}
_MOST_LAYERS = 4
_SHAPES = {
    "taken": "fixed or open",
    "inside": "fixed in inputs and outputs",
    "batch": "fixed, but for the batch, which is 1 then",
    "refused": "fixed",
}


def show_judgement(name: str, found: Judgement, profile: Profile, *, needs: str | None) -> None:
    """Prints what would happen to each operator, and the verdict last; ``needs`` is the oldest runtime that has all operators."""
    stdout.print(Text.assemble((name, "bold"), f"  on {profile.title} ({profile.name})"))
    rows = [
        (group.op, shown_type(group.compute), str(group.count), group.where, group.why or "–", _layers(group.layers))
        for group in found.operators
    ]
    show_table(("Operator", "Computes in", "Count", "Runs on", "Why", "Layers"), rows)
    for each in found.io:
        taken = ", ".join(profile.io)
        stdout.print(Text(f"The {each.role} '{each.name}' is {each.dtype}; {profile.title} takes {taken}."))
    notes = list(found.notes)
    if needs is not None and found.runtime is None:
        notes.append(f"It needs TensorFlow Lite {needs} or newer there; --runtime VERSION checks that.")
    if notes:
        print_points([Text(note, style="dim") for note in notes])
    stdout.print(Text(found.summary, style=f"bold {_COLORS[found.verdict]}"))
    if found.advice:
        stdout.print(Text.assemble(("Try: ", "bold"), found.advice))


def show_examined(name: str, found: Sequence[OnTarget]) -> None:
    """Prints what the tools of targets say of the file: what is refused or left behind, and what it needs."""
    for one in found:
        said = targets_text.told(one)
        main = "" if said is None else "; ".join((said.main, *said.more))
        stdout.print(Text.assemble((f"\n{name}", "bold"), f"  on {targets_text.heading(one)}, {one.runtime}"))
        behind = one.examination.behind if one.examination is not None else ()
        if behind:
            rows = [(each.op, each.layer or "–", each.where, each.why or "–") for each in behind]
            show_table(("Operator", "Layer", "Runs on", "Why"), rows)
        if one.examination is not None:
            assumed = one.examination.configuration
            notes = [*([f"It assumes {assumed}."] if assumed else []), *one.examination.notes]
            print_points([Text(note, style="dim") for note in notes])
        stdout.print(Text(main, style="bold red" if one.refused or behind else "bold green"))


def _layers(layers: Sequence[str]) -> str:
    names = list(dict.fromkeys(layers))
    more = f" and {len(names) - _MOST_LAYERS} more" if len(names) > _MOST_LAYERS else ""
    return ", ".join(names[:_MOST_LAYERS]) + more or "–"


def show_profiles(profiles: Sequence[Profile]) -> None:
    """Prints one line for each."""
    show_table(
        ("Profile", "Hardware", "Others", "Schemes that optimize tries"),
        [
            (
                profile.name,
                profile.title,
                "refused" if profile.rest == REFUSED else "on the CPU",
                ", ".join(profile.schemes),
            )
            for profile in profiles
        ],
    )
    stdout.print(
        Text(
            "'tflitekit hardware NAME' shows one with its sources; docs/hardware.md says how to write your own.",
            style="dim",
        )
    )


def _rest(profile: Profile) -> str:
    return "CPU" if profile.rest == "cpu" else profile.rest


def show_profile(profile: Profile) -> None:
    """Prints all of one."""
    stdout.print(Text.assemble((profile.name, "bold"), f"  {profile.title}"))
    stdout.print(Padding(Text(profile.about), (0, 0, 0, 2)))
    grid = Table.grid(padding=(0, 2))
    for key, value in _facts(profile):
        grid.add_row(Text(key, style="dim"), Text(value))
    stdout.print(Padding(grid, (1, 0, 0, 2)))
    rows = [_row(rule) for rule in profile.operators]
    show_table(("Operators it takes", "Computing in", "Versions", "Not checked", "Source"), rows)
    for title, points in (("Good to know", profile.notes.values()), ("Not known", profile.not_known)):
        if points:
            stdout.print(Text(title, style="bold"))
            print_points([Text(point) for point in points])
    stdout.print(Text("Sources", style="bold"))
    print_points([
        Text(f"{key}: {source.title}" + (f" {source.url}" if source.url else ""))
        for key, source in profile.sources.items()
    ])  # fmt: skip


def _facts(profile: Profile) -> list[tuple[str, str]]:
    targets = profile.targets
    seen = [
        f"{how}: {', '.join(names)}"
        for how, names in (
            ("measured", targets.measured),
            ("emulated", targets.emulated),
            ("estimated", targets.estimated),
        )
        if names
    ]
    rest = "the file does not run" if profile.rest == REFUSED else f"run on the {_rest(profile)} beside it"
    facts = [
        ("Processor", f"{profile.processor}; operators that it does not take: {rest}"),
        (
            "Runtime",
            f"{profile.runtime.name}{f' {profile.runtime.version}' if profile.runtime.version else ''}; {profile.runtime.since}",
        ),
        ("Inputs, outputs", f"{', '.join(profile.io)}; others are {profile.other_io}"),
        ("Weights", ", ".join(profile.weights)),
        ("Shapes", _SHAPES[profile.open_shapes]),
        ("What decides", ", ".join(profile.decides)),
        ("Schemes tried", ", ".join(profile.schemes)),
        ("Targets", "; ".join(seen) or "none of the kit's reaches it"),
    ]
    if profile.partitions is not None:
        facts.insert(4, ("Pieces", f"at most {profile.partitions} of a model"))
    facts += [(f"{shown_type(given)} there", f"computed in {real}") for given, real in profile.arithmetic.items()]
    return facts


def _row(rule: Rule) -> tuple[str, ...]:
    versions = f"up to {rule.max_version}" if rule.max_version is not None else "any"
    condition = rule.condition if rule.certain else f"not certain: {rule.condition}"
    return ", ".join(rule.names), ", ".join(rule.types), versions, condition or "–", rule.source
