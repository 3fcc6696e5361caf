"""Shows what training would do to each layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tflitekit.cli import console

if TYPE_CHECKING:
    from tflitekit.training.preflight import Preflight


__all__ = ["show_preflight"]


def show_preflight(found: Preflight) -> None:
    """Prints what happens to each layer, how far the rebuilt model differs, and what to do."""
    console.show_table(
        ("Layer", "Kind", "Treatment", "How, or why not"),
        [(layer.layer, layer.kind, layer.treatment, layer.how) for layer in found.layers],
    )
    counts = ", ".join(f"{count} {kind}" for kind, count in found.counts.items() if count)
    console.stdout.print(f"{counts}; loaded with {found.loader}.", markup=False)
    for parity, what in (
        (found.rebuilt, "Rebuilt for Keras 2 it computes the same"),
        (found.annotated, "With its layers replaced as above it computes the same"),
    ):
        if parity is not None:
            console.print_dim(
                f"{what}: the largest difference is {parity.max_abs_difference:.2g} on {parity.samples} {parity.origin} "
                f"samples (limit {parity.tolerance:.2g})."
            )
    if found.problem is not None:
        console.stdout.print(Text("\nTrained for int8, this model would not become a file that runs", style="bold red"))
        console.stdout.print(found.problem, markup=False)
    fixes: dict[str, list[str]] = {}
    for layer in found.layers:
        if layer.treatment != "quantized" and layer.fix:
            fixes.setdefault(layer.fix, []).append(layer.layer)
    if fixes:
        console.stdout.print(Text("\nWhat to do", style="bold"))
        console.print_points([Text(f"{', '.join(names)}: {fix}") for fix, names in fixes.items()])
    console.show_warnings(list(found.notes))
