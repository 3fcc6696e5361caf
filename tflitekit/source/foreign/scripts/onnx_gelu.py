"""Finds GELU where an ONNX model spells it out by Erf, which TensorFlow Lite does not have: half of x times (1 + erf(x / sqrt(2)))."""

from __future__ import annotations

import math
from typing import Any

_DOMAIN = "com.microsoft"
"""ONNX itself has the operator from opset 20 on only; ONNX Runtime has it here for all, and onnx2tf looks at the name alone."""


def fuse_gelu(model: Any) -> None:
    """Replaces each GELU in the main graph by one operator."""
    from onnx import helper

    found = [gelu for node in model.graph.node if node.op_type == "Erf" and (gelu := _Graph(model).gelu(node))]
    if not found:
        return
    gone = {id(node) for _, _, nodes in found for node in nodes}
    fused = {id(nodes[-1]): helper.make_node("Gelu", [x], [out], domain=_DOMAIN) for x, out, nodes in found}
    kept = [fused.get(id(node), node) for node in model.graph.node if id(node) in fused or id(node) not in gone]
    copies = [type(node).FromString(node.SerializeToString()) for node in kept]
    del model.graph.node[:]
    model.graph.node.extend(copies)
    if all(used.domain != _DOMAIN for used in model.opset_import):
        model.opset_import.append(helper.make_opsetid(_DOMAIN, 1))


class _Graph:
    """Who makes a value, who alone reads it, and which values are one number."""

    def __init__(self, model: Any) -> None:
        from onnx import numpy_helper

        self.makers = {name: node for node in model.graph.node for name in node.output}
        self.readers: dict[str, list[Any]] = {value.name: [None] for value in model.graph.output}
        for node in model.graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        small = [tensor for tensor in model.graph.initializer if math.prod(tensor.dims) == 1]
        self.numbers = {tensor.name: float(numpy_helper.to_array(tensor).reshape(())) for tensor in small}

    def gelu(self, erf: Any) -> tuple[str, str, list[Any]] | None:
        """Returns what goes in, what comes out, and the nodes in between, the last one at the end; None for another use of Erf."""
        scaled = self.makers.get(erf.input[0])
        x = self._but(scaled, "Div", math.sqrt(2)) or self._but(scaled, "Mul", math.sqrt(0.5))
        plus = self._reader(erf.output[0])
        if not x or len(self.readers[erf.input[0]]) != 1 or not self._but(plus, "Add", 1.0):
            return None
        nodes, missing = [scaled, erf, plus], {"x", "half"}
        last = plus
        while missing:
            factor = self._reader(last.output[0])
            if factor is None or factor.op_type != "Mul":
                return None
            other = next((name for name in factor.input if name != last.output[0]), "")
            half = self.makers.get(other)
            if other == x and "x" in missing:
                missing.remove("x")
            elif abs(self.numbers.get(other, 0.0) - 0.5) < 1e-6 and "half" in missing:
                missing.remove("half")
            elif missing == {"x", "half"} and self._but(half, "Mul", 0.5) == x and self._reader(other) is factor:
                missing.clear()
                nodes.append(half)
            else:
                return None
            nodes.append(factor)
            last = factor
        return x, last.output[0], nodes

    def _reader(self, name: str) -> Any:
        readers = self.readers.get(name, [])
        return readers[0] if len(readers) == 1 else None

    def _but(self, node: Any, kind: str, number: float) -> str:
        """Returns the other input of an operator that has a number for one; nothing for other nodes."""
        if node is None or node.op_type != kind or len(node.input) != 2:
            return ""
        first, second = node.input
        if abs(self.numbers.get(second, math.inf) - number) < 1e-4:
            return str(first)
        return str(second) if kind != "Div" and abs(self.numbers.get(first, math.inf) - number) < 1e-4 else ""
