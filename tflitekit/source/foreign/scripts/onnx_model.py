"""Reads an ONNX model and brings it into the form that onnx2tf converts: fixed sizes, float32, plain names, states from zero."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import answering
from answering import Refusal, line

_LARGEST_BYTES = 2**31 - 1
_DOMAINS = ("", "ai.onnx", "com.microsoft")
ELSEWHERE = (
    "Export the model without it; what belongs to preprocessing or to reading the outputs can be done in the app."
)


def load(path: str) -> Any:
    """Reads a model that is whole, float, and made of operators that onnx2tf knows."""
    import onnx

    if Path(path).stat().st_size > _LARGEST_BYTES:
        raise Refusal(
            f"{path} is larger than 2 GiB.",
            "Neither ONNX in one file nor a .tflite file can be.",
            "Give a smaller model, or a part of this one.",
        )
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:
        raise Refusal(f"{path} is not a sound ONNX model.", line(error), "Export it again.") from error
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model.graph)):
        raise Refusal(
            f"{path} keeps its weights in other files.",
            "The kit reads one file, so that no model can name others on this machine.",
            "Save it whole: onnx.save(onnx.load('MODEL.onnx'), 'WHOLE.onnx').",
        )
    if len(model.functions):
        import onnx.inliner

        model = onnx.inliner.inline_local_functions(model)
    _require_operators(model, path)
    try:
        onnx.checker.check_model(model)
    except Exception as error:
        raise Refusal(f"{path} is not a sound ONNX model.", line(error), "Export it again.") from error
    return model


def fixed_shapes(model: Any, request: dict[str, Any]) -> dict[str, list[int]]:
    """Returns the whole shape of each input; sizes that the model leaves open are the user's, or else refused."""
    inputs = inputs_of(model)
    for value in inputs:
        if not value.type.HasField("tensor_type") or not value.type.tensor_type.HasField("shape"):
            raise Refusal(
                f"The input '{value.name}' of {request['model']} has no shape, or is no tensor.",
                "A .tflite file takes tensors of a known rank.",
                "Export the model again with a shape for each input.",
            )
    sizes = {value.name: value.type.tensor_type.shape.dim for value in inputs}
    found: dict[str, list[int]] = answering.fixed_shapes(
        {name: [dim.dim_value or dim.dim_param or "?" for dim in dims] for name, dims in sizes.items()}, request
    )
    return found


def inputs_of(model: Any) -> list[Any]:
    """Returns the inputs; older models list their weights among them."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


def widen(model: Any) -> bool:
    """Makes a model of float16 or float64 one of float32; returns whether it was one."""
    import onnx
    from onnx import TensorProto, numpy_helper

    others = (TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
    changed = False
    for graph in _graphs(model.graph):
        for value in (*graph.input, *graph.output, *graph.value_info):
            if value.type.tensor_type.elem_type in others:
                value.type.tensor_type.elem_type = TensorProto.FLOAT
                changed = True
        for node in graph.node:
            for attribute in node.attribute:
                if node.op_type == "Cast" and attribute.name == "to" and attribute.i in others:
                    attribute.i = TensorProto.FLOAT
                    changed = True
    for tensor in _tensors(model.graph):
        if tensor.data_type in others:
            values = onnx.numpy_helper.to_array(tensor).astype("float32")
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
            changed = True
    return changed


def simplified(model: Any, shapes: dict[str, list[int]]) -> Any:
    """Fixes all sizes and folds constants: onnx2tf cannot infer shapes of its own where batch, height and width are open."""
    import onnxslim

    try:
        return onnxslim.slim(
            model, input_shapes=[f"{name}:{','.join(map(str, shape))}" for name, shape in shapes.items()]
        )
    except (Exception, SystemExit) as error:
        raise Refusal("onnxslim cannot infer the shapes of the model.", line(error), "Check --input-shape.") from error


def begin_at_zero(model: Any) -> None:
    """Gives recurrent operators the initial states that ONNX takes for zero: onnx2tf needs to see them."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    inferred = onnx.shape_inference.infer_shapes(model)
    values = (*inferred.graph.value_info, *inferred.graph.input)
    shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values}
    shapes |= {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    for number, node in enumerate(model.graph.node):
        if node.op_type not in ("LSTM", "GRU", "RNN") or len(shapes.get(node.input[0], ())) != 3:
            continue
        directions, _, hidden = shapes[node.input[2]]
        batch_first = any(attribute.name == "layout" and attribute.i for attribute in node.attribute)
        batch = shapes[node.input[0]][0 if batch_first else 1]
        wanted = 7 if node.op_type == "LSTM" else 6
        node.input.extend([""] * (wanted - len(node.input)))
        for place in range(5, wanted):
            if not node.input[place]:
                shape = (batch, directions, hidden) if batch_first else (directions, batch, hidden)
                name = f"zero_state_{number}_{place}"
                model.graph.initializer.append(numpy_helper.from_array(np.zeros(shape, np.float32), name))
                node.input[place] = name


def say_kernels(model: Any) -> None:
    """Writes the size of the kernel on convolutions that leave it to their weights: onnx2tf looks at it."""
    from onnx import helper

    shapes = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    for node in model.graph.node:
        said = any(attribute.name == "kernel_shape" for attribute in node.attribute)
        if node.op_type in ("Conv", "ConvTranspose") and not said and node.input[1] in shapes:
            node.attribute.append(helper.make_attribute("kernel_shape", shapes[node.input[1]][2:]))


def name_plainly(model: Any) -> None:
    """Names inputs ``in0``, ``in1`` and outputs ``out0``: onnx2tf changes others, and two may become one."""
    from onnx import helper

    graph = model.graph
    taken: dict[str, str] = {}
    for place, value in enumerate(graph.input):
        taken[value.name] = value.name = f"in{place}"
    for place, value in enumerate(graph.output):
        if value.name in taken:  # an input, or another output
            graph.node.append(helper.make_node("Identity", [taken[value.name]], [f"out{place}"]))
        else:
            taken[value.name] = f"out{place}"
        value.name = f"out{place}"
    for inner in _graphs(graph):
        for node in inner.node:
            node.input[:] = [taken.get(name, name) for name in node.input]
            node.output[:] = [taken.get(name, name) for name in node.output]
        for tensor in inner.initializer:
            tensor.name = taken.get(tensor.name, tensor.name)
        for value in inner.value_info:
            value.name = taken.get(value.name, value.name)


def _require_operators(model: Any, path: str) -> None:
    """Refuses what is quantized, and what onnx2tf has no file for: it would end the process itself."""
    found = importlib.util.find_spec("onnx2tf.ops")
    folder = Path(next(iter(found.submodule_search_locations or []))) if found else Path()
    known = {file.stem.lower() for file in folder.glob("*.py")}
    quantized = shown(
        model, lambda node: "quantizelinear" in node.op_type.lower() or node.op_type.startswith("QLinear")
    )
    if quantized:
        raise Refusal(
            f"{path} is already quantized: it has {quantized}.",
            "Quantizing needs the float model: what was rounded away cannot be found again.",
            "Export the float model.",
        )
    foreign = shown(model, lambda node: node.domain not in _DOMAINS)
    if foreign:
        raise Refusal(f"{path} has operators of its own: {foreign}.", "Only ONNX's own can be converted.", ELSEWHERE)
    lacking = shown(model, lambda node: node.op_type.lower() not in known)
    if lacking:
        raise Refusal(f"{path} has operators that onnx2tf does not convert: {lacking}.", "", ELSEWHERE)


def shown(model: Any, wanted: Callable[[Any], bool]) -> str:
    """Returns the operators that are wanted, with the first node of each."""
    found: dict[str, str] = {}
    for node in (node for graph in _graphs(model.graph) for node in graph.node):
        if wanted(node):
            kind = f"{node.domain}::{node.op_type}" if node.domain not in _DOMAINS else node.op_type
            found.setdefault(kind, node.name or (node.output[0] if node.output else ""))
    return ", ".join(f"{kind} ('{name}')" for kind, name in sorted(found.items()))


def _graphs(graph: Any) -> Iterator[Any]:
    """Yields a graph and those inside of its operators (If, Loop, Scan)."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
                yield from _graphs(inner)


def _tensors(graph: Any) -> Iterator[Any]:
    """Yields all constants."""
    for inner in _graphs(graph):
        yield from inner.initializer
        for node in inner.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors
