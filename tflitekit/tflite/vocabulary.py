"""Inputs whose values pick rows of a table, as token ids do, and how many rows there are."""

from __future__ import annotations

from typing import Any

from ai_edge_litert import schema_py_generated as schema

from tflitekit.tflite.flatbuffer import Reader, shape_of

__all__ = ["read_vocabularies"]

# What leaves indices as they are, by the number of the input that they come from; Keras selects between an index and one from the end.
_PASSES = {"CAST": 0, "RESHAPE": 0, "EXPAND_DIMS": 0, "SQUEEZE": 0, "SELECT": 2, "SELECT_V2": 2}
# Where a lookup has its table and its indices.
_LOOKUPS = {"GATHER": (0, 1), "EMBEDDING_LOOKUP": (1, 0)}


def read_vocabularies(reader: Reader, names: dict[int, str]) -> dict[str, int]:
    """Returns the number of rows that the values of an input may pick, by the name of the input.

    Args:
        names: Of the inputs, by tensor.
    """
    main = reader.subgraphs[0]
    operators = [main.Operators(i) for i in range(main.OperatorsLength())]
    from_where = {operator.Outputs(j): operator for operator in operators for j in range(operator.OutputsLength())}
    found: dict[str, int] = {}
    for operator in operators:
        kind = reader.operator_name(operator)
        if kind not in _LOOKUPS or operator.InputsLength() < 2:
            continue
        table, index = (operator.Inputs(position) for position in _LOOKUPS[kind])
        rows = _rows(reader, main, operator, kind, _before(reader, from_where, table, {"DEQUANTIZE": 0}))
        name = names.get(_before(reader, from_where, index, _PASSES))
        if name is not None and rows is not None:
            found[name] = min(rows, found.get(name, rows))
    return found


def _before(reader: Reader, from_where: dict[int, Any], tensor: int, passes: dict[str, int]) -> int:
    """Returns the tensor that another one has its values from."""
    for _ in range(len(from_where)):
        operator = from_where.get(tensor)
        position = None if operator is None else passes.get(reader.operator_name(operator))
        if operator is None or position is None or position >= operator.InputsLength():
            break
        tensor = operator.Inputs(position)
    return tensor


def _rows(reader: Reader, main: Any, operator: Any, kind: str, table: int) -> int | None:
    """Returns the rows of a table that the file holds; None for one that is computed."""
    if not 0 <= table < main.TensorsLength() or not reader.buffer_bytes[main.Tensors(table).Buffer()]:
        return None
    axis = 0
    if kind == "GATHER" and operator.BuiltinOptions() is not None:
        options = schema.GatherOptions()
        options.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
        axis = options.Axis() if not options.BatchDims() else -1
    shape = shape_of(main.Tensors(table))
    return shape[axis] if 0 <= axis < len(shape) and shape[axis] > 0 else None
