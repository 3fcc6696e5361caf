"""Shows what 'inspect' finds in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tflitekit.cli import console
from tflitekit.render import text

if TYPE_CHECKING:
    from tflitekit.tflite.graph import Graph


__all__ = ["show_graph"]


def show_graph(name: str, graph: Graph) -> None:
    """Prints what `tflitekit inspect` found."""
    facts: list[tuple[str, Any]] = [
        ("Size", f"{text.size(graph.size_bytes)} ({graph.size_bytes:,} bytes), {graph.parameters:,} parameters"),
        *(("Input", spec.describe()) for spec in graph.inputs),
        *(("Output", spec.describe()) for spec in graph.outputs),
        ("Integer ops", "–" if graph.integer_op_fraction is None else f"{graph.integer_op_fraction:.0%}"),
        (
            "Minimum runtime",
            (f"TensorFlow Lite {graph.min_runtime_version}" if graph.min_runtime_version else "unknown")
            + (f" (at least; unknown: {', '.join(graph.unknown_op_versions)})" if graph.unknown_op_versions else ""),
        ),
        ("TensorFlow (Flex) ops", ", ".join(graph.select_tf_ops) or "none"),
        ("Custom ops", ", ".join(graph.custom_ops) or "none"),
        ("Dynamic tensors", f"{len(graph.dynamic_tensors)}" if graph.dynamic_tensors else "none"),
        ("Keeps state", _state(graph)),
        (
            "Signatures",
            "; ".join(f"{s.key}({', '.join(s.inputs)}) -> {', '.join(s.outputs)}" for s in graph.signatures) or "none",
        ),
        ("Metadata", ", ".join(graph.metadata) or "none"),
    ]
    if graph.description:
        facts.append(("Description", graph.description))
    console.stdout.print(Text(name, style="bold"))
    grid = Table.grid(padding=(0, 2))
    for key, value in facts:
        grid.add_row(Text(key, style="dim"), Text(str(value)))
    console.stdout.print(Padding(grid, (0, 0, 0, 2)))
    total = sum(op.weight_bytes for op in graph.ops) or 1
    console.show_table(
        ("Operator", "Version", "Computes in", "Count", "Weights", "Share"),
        [
            (
                op.name,
                str(op.version),
                op.compute,
                str(op.count),
                text.size(op.weight_bytes),
                f"{op.weight_bytes / total:.1%}",
            )
            for op in graph.ops
        ],
    )
    console.show_table(
        ("Bytes by kind", "Bytes", "Share"),
        [(kind, f"{count:,}", f"{count / graph.size_bytes:.1%}") for kind, count in graph.bytes_by_kind.items()],
    )


def _state(graph: Graph) -> str:
    if not graph.keeps_state:
        return "no"
    return f"yes: {'set it to zero' if graph.resettable else 'load the file anew'} before each new sequence"
