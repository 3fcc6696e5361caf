"""What is in the files: operators, tensors, hashes."""

from __future__ import annotations

from tflitekit.core.tensor import TensorSpec
from tflitekit.render import text
from tflitekit.render.blocks import NOTHING, Cell, Column, Section, Table
from tflitekit.render.sections import View, named, section

__all__ = ["contents"]

_ENGINES = {"tflite_converter": "TFLiteConverter", "litert_quantizer": "litert-quantizer"}


@section(place=80)
def contents(view: View) -> Section:
    """Returns the census of operators, and the files with their tensors."""
    return Section("files", "Files", blocks=(_operators(view), _files(view)))


def _operators(view: View) -> Table | None:
    counted = [row for row in view.able if row.ops]
    weight: dict[str, int] = {}
    for row in counted:
        for op in row.ops:
            weight[op.name] = max(weight.get(op.name, 0), op.weight_bytes)
    rows = []
    for name in sorted(weight, key=lambda name: (-weight[name], name)):
        cells = []
        for row in counted:
            found = [op for op in row.ops if op.name == name]
            total = sum(op.weight_bytes for op in found)
            kinds = " + ".join(f"{op.count} {op.compute}" for op in found)
            cells.append(
                Cell(kinds, sum(op.count for op in found), text.size(total) if total else "") if found else NOTHING
            )
        rows.append((Cell(name), *cells))
    columns = (Column("Operator", numeric=False), *(Column(row.name) for row in counted))
    more = "How many there are, and the type that they compute in; below it, the bytes of their weights."
    return Table.of("Operators by variant", columns, rows, more=more)


def _files(view: View) -> Table | None:
    columns = (
        Column("File", numeric=False),
        Column("Inputs", numeric=False),
        Column("Outputs", numeric=False),
        Column("Made by", numeric=False),
        Column("Built in", about="From the start of the conversion to the checked file"),
        Column("SHA-256", numeric=False),
    )
    rows = []
    for row in view.able:
        head = named(view, row)
        seconds = row.conversion_s
        rows.append(
            (
                Cell(row.file or row.name, symbol=head.symbol),
                _tensors(row.inputs),
                _tensors(row.outputs),
                Cell(_ENGINES.get(row.engine, row.engine), note=row.engine_why or "") if row.engine else NOTHING,
                NOTHING if seconds is None else Cell(f"{seconds:.1f} s", seconds, "reused" if row.reused else ""),
                Cell(row.sha256) if row.sha256 else NOTHING,
            )
        )
    return Table.of("Files", columns, rows, folded="Hashes, inputs and outputs", sortable=False)


def _tensors(specs: tuple[TensorSpec, ...]) -> Cell:
    if not specs:
        return NOTHING
    return Cell("; ".join(spec.describe() for spec in specs))
