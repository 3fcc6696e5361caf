"""Runs in the environment of ONNX, without the kit: an ONNX model in, a float ``.tflite`` and what ONNX Runtime says out.

Started with the file of a request; see `tflitekit.source.foreign.call` for both sides of it.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import onnx_gelu
import onnx_model
from answering import Refusal, answer, is_picture, last_shape, line, read_samples, untyped, write_reference
from values import SAMPLES, Values, write_values

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_USE_LEGACY_KERAS="1", CUDA_VISIBLE_DEVICES="-1")

_TYPES = {"FLOAT": "float32", "INT32": "int32", "INT64": "int64", "BOOL": "bool", "UINT8": "uint8", "INT8": "int8"}
_AT_ONCE = 64
"""How many of a model's tensors are kept while it runs."""


def convert(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Says what the model takes; with samples, writes ``model.tflite`` and ``reference.npz`` too."""
    import numpy as np
    import onnx

    os.chdir(folder)  # where onnx2tf looks for its pictures
    origin = request["model"]
    model = onnx_model.load(origin)
    widened = onnx_model.widen(model)
    shapes = onnx_model.fixed_shapes(model, request)
    moved = [is_picture(shape, request["layout"]) for shape in shapes.values()]
    inputs = _described(model, shapes, moved, origin)
    if request["task"] == "describe":
        return {"inputs": inputs, "moved": [name for name, is_moved in zip(shapes, moved, strict=True) if is_moved]}
    import onnxruntime

    samples = read_samples(folder, moved)
    expected = _run(onnxruntime, model, list(shapes), samples, origin)
    notes = write_values(folder, lambda: _values(onnxruntime, model, list(shapes), samples[:SAMPLES]))
    if widened:
        notes.append("The original computes in another float type, and was converted and compared in float32.")
    outputs = [value.name for value in model.graph.output]
    fixed = onnx_model.simplified(model, shapes)
    onnx_gelu.fuse_gelu(fixed)
    onnx_model.begin_at_zero(fixed)
    onnx_model.say_kernels(fixed)
    onnx_model.name_plainly(fixed)
    (folder / "fixed.onnx").write_bytes(fixed.SerializeToString())
    network = _network(
        folder / "fixed.onnx",
        [len(shape) >= 3 and not m for shape, m in zip(shapes.values(), moved, strict=True)],
        folder,
        origin,
    )
    layouts = _layouts(network, read_samples(folder, [False] * len(shapes))[0], expected[0], any(moved))
    turned = [layout == "last" for layout in layouts]
    _write(network, folder / "model.tflite", layouts, fixed)
    write_reference(folder, [[_last(v) if t else v for v, t in zip(row, turned, strict=True)] for row in expected])
    return {
        "original": f"ONNX Runtime {onnxruntime.__version__}",
        "inputs": inputs,
        "outputs": outputs,
        "moved": [name for name, is_moved in zip((*shapes, *outputs), (*moved, *turned), strict=True) if is_moved],
        "parameters": sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer),
        "notes": notes,
        "versions": {"onnx": onnx.__version__},
    }


def _described(model: Any, shapes: dict[str, list[int]], moved: list[bool], origin: str) -> list[dict[str, Any]]:
    import onnx

    found = []
    for value, is_moved in zip(onnx_model.inputs_of(model), moved, strict=True):
        kind = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type)
        if kind not in _TYPES:
            raise untyped(value.name, kind.lower(), origin)
        shape = shapes[value.name]
        found.append({"name": value.name, "shape": last_shape(shape) if is_moved else shape, "dtype": _TYPES[kind]})
    return found


def _run(onnxruntime: Any, model: Any, names: list[str], samples: list[list[Any]], origin: str) -> list[list[Any]]:
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return [session.run(None, dict(zip(names, sample, strict=True))) for sample in samples]
    except Exception as error:
        raise Refusal(
            f"ONNX Runtime cannot run {origin}.", line(error), "Check the model with ONNX Runtime."
        ) from error


def _values(onnxruntime: Any, model: Any, names: list[str], samples: list[list[Any]]) -> Values:
    """Runs a model with the outputs of its nodes as outputs, so many at a time that they fit into memory."""
    import onnx

    sizes = {tensor.name: math.prod(tensor.dims) * (len(tensor.dims) > 1) for tensor in model.graph.initializer}
    values, computed = Values(), []
    for name in names:
        values.add(name, None, [], 0)
    for node in model.graph.node:
        if node.op_type == "Constant":
            sizes[node.output[0]] = max((math.prod(a.t.dims) * (len(a.t.dims) > 1) for a in node.attribute), default=0)
            continue
        reads = [name for name in node.input if name and name not in sizes]
        for output in filter(None, node.output):
            layer = node.name or f"{node.op_type} {output}"
            values.add(output, layer, reads, max((sizes.get(name, 0) for name in node.input), default=0))
            computed.append(output)
    for sample in samples:
        for name, array in zip(names, sample, strict=True):
            values.see(name, array)
    for start in range(0, len(computed), _AT_ONCE):
        wanted = computed[start : start + _AT_ONCE]
        looking = onnx.ModelProto.FromString(model.SerializeToString())
        del looking.graph.output[:]
        looking.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
        session = onnxruntime.InferenceSession(looking.SerializeToString(), providers=["CPUExecutionProvider"])
        for sample in samples:
            for name, array in zip(wanted, session.run(wanted, dict(zip(names, sample, strict=True))), strict=True):
                values.see(name, array)
    return values


def _network(path: Path, kept: list[bool], folder: Path, origin: str) -> Any:
    import onnx2tf

    _forestall_download(folder)
    names = [f"in{place}" for place, keep in enumerate(kept) if keep]
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            return onnx2tf.convert(
                input_onnx_file_path=str(path), output_folder_path=str(folder / "onnx2tf"), not_use_onnxsim=True,
                replace_to_pseudo_operators=["erf"], keep_shape_absolutely_input_names=names or None,
                disable_model_save=True, non_verbose=True, verbosity="error",
            )  # fmt: skip
    except (Exception, SystemExit) as error:  # it ends the process itself
        found = re.search(r"onnx_op_name: *(?:\x1b\[\d+m)*([^\x1b\n]+)", said.getvalue())
        raise Refusal(
            f"onnx2tf cannot convert {origin}{f': it fails at the node {found[1]!r}' if found else ''}.",
            line(error),
            "Export the model for another opset, or without that part; a PyTorch model also goes as .pt2 (torch.export.save), "
            "a TensorFlow model as it is.",
        ) from error
    finally:
        sys.stderr.write(said.getvalue())


def _forestall_download(folder: Path) -> None:
    """Writes the file of pictures that onnx2tf would download otherwise, for models that take images, whatever its options say."""
    import numpy as np

    pictures = np.zeros((20, 128, 128, 3), np.float32)
    np.save(folder / "calibration_image_sample_data_20x128x128x3_float32.npy", pictures)


def _layouts(network: Any, sample: list[Any], expected: list[Any], moved: bool) -> list[str]:
    """Says of each output where onnx2tf has the channels, which its shape does not always tell.

    Returns:
        ``same`` as the original; ``last``, as what has been moved is to be; ``back`` where they are last and must be put back.
    """
    import numpy as np
    import tensorflow as tf

    given = [tf.constant(sample[_place(tensor)]) for tensor in network.inputs]
    found = network(given)
    layouts = []
    for value, wanted in zip(found if isinstance(found, list | tuple) else [found], expected, strict=True):
        ours = np.asarray(value)
        distances = {
            layout: float(np.nan_to_num(np.abs(ours - other).astype(np.float64)).max(initial=0.0))
            for layout, other in (("same", wanted), ("last", _last(wanted)))
            if wanted.dtype.kind == "f" and ours.shape == other.shape
        }
        layout = min(distances, key=lambda key: distances[key]) if distances else _by_shape(ours, wanted)
        layouts.append("back" if layout == "last" and not (moved and ours.ndim == 4) else layout)
    return layouts


def _by_shape(ours: Any, wanted: Any) -> str:
    return "last" if ours.shape != wanted.shape and ours.shape == _last(wanted).shape else "same"


def _place(tensor: Any) -> int:
    """Returns which input of the model one of the network is."""
    return int(tensor.name.partition(":")[0].removeprefix("in"))


def _write(network: Any, path: Path, layouts: list[str], model: Any) -> None:
    """Writes the file with inputs ``in0`` and outputs ``out0`` on."""
    import tensorflow as tf

    inputs = sorted(network.inputs, key=_place)
    specs = [tf.TensorSpec(tensor.shape, tensor.dtype, name=f"in{place}") for place, tensor in enumerate(inputs)]

    def serve(*values: Any) -> dict[str, Any]:
        found = network([values[_place(tensor)] for tensor in network.inputs])
        found = found if isinstance(found, list | tuple) else [found]
        return {
            f"out{place}": _first(tf, value) if layout == "back" else tf.identity(value)
            for place, (value, layout) in enumerate(zip(found, layouts, strict=True))
        }

    with tempfile.TemporaryDirectory(dir=path.parent) as saved:
        module = tf.Module()
        module.network = network
        function = tf.function(serve, input_signature=specs)
        tf.saved_model.save(module, saved, signatures={"serving_default": function})
        try:
            path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(saved).convert())
        except Exception as error:
            raise _refused(str(error), model) from error


def _refused(text: str, model: Any) -> Refusal:
    """Names the operators of the model that TensorFlow Lite lacks, as far as TensorFlow's names lead to them."""
    lacking = []
    for place, name in dict.fromkeys(re.findall(r'"([^"@]*)@[^\n]*?\'tf\.(\w+)\' op is neither', text)):
        known = {name.lower(), *re.split(r"[./]", place.lower())}
        lacking.append(
            onnx_model.shown(model, lambda node, known=known: node.op_type.lower() in known) or f"TensorFlow's {name}"
        )
    return Refusal(
        f"TensorFlow Lite has no operator for {', '.join(lacking)}."
        if lacking
        else "TensorFlow's converter refuses the model.",
        "" if lacking else line(Exception(text)),
        onnx_model.ELSEWHERE,
    )


def _first(tf: Any, value: Any) -> Any:
    return tf.transpose(value, [0, len(value.shape) - 1, *range(1, len(value.shape) - 1)])


def _last(value: Any) -> Any:
    import numpy as np

    return np.moveaxis(value, 1, -1) if value.ndim > 2 else value


if __name__ == "__main__":
    answer(convert)
