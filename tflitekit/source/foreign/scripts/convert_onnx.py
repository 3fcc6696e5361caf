"""Runs in the environment of ONNX, without the kit: an ONNX model in, a float ``.tflite`` and what ONNX Runtime says out.

Started with the file of a request; see `tflitekit.source.foreign.call` for both sides of it.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import onnx_model
from answering import Refusal, answer, is_picture, last_shape, line, read_samples, untyped, write_reference

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_USE_LEGACY_KERAS="1", CUDA_VISIBLE_DEVICES="-1")

_TYPES = {"FLOAT": "float32", "INT32": "int32", "INT64": "int64", "BOOL": "bool", "UINT8": "uint8", "INT8": "int8"}


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
        return {"inputs": inputs}
    import onnxruntime

    samples = read_samples(folder, moved)
    expected = _run(onnxruntime, model, list(shapes), samples, origin)
    outputs = [value.name for value in model.graph.output]
    fixed = onnx_model.simplified(model, shapes)
    onnx_model.begin_at_zero(fixed)
    onnx_model.name_plainly(fixed)
    (folder / "fixed.onnx").write_bytes(fixed.SerializeToString())
    network = _network(
        folder / "fixed.onnx",
        [len(shape) >= 3 and not m for shape, m in zip(shapes.values(), moved, strict=True)],
        folder,
        origin,
    )
    turned = _write(network, folder / "model.tflite", len(shapes), [value.shape for value in expected[0]], fixed)
    write_reference(folder, [[_last(v) if t else v for v, t in zip(row, turned, strict=True)] for row in expected])
    return {
        "original": f"ONNX Runtime {onnxruntime.__version__}",
        "inputs": inputs,
        "outputs": outputs,
        "moved": [name for name, is_moved in zip((*shapes, *outputs), (*moved, *turned), strict=True) if is_moved],
        "parameters": sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer),
        "notes": ["The original computes in another float type, and was converted and compared in float32."]
        if widened
        else [],
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


def _network(path: Path, kept: list[bool], folder: Path, origin: str) -> Any:
    import onnx2tf

    _forestall_download(folder)
    names = [f"in{place}" for place, keep in enumerate(kept) if keep]
    try:
        return onnx2tf.convert(
            input_onnx_file_path=str(path), output_folder_path=str(folder / "onnx2tf"), not_use_onnxsim=True,
            keep_shape_absolutely_input_names=names or None, disable_model_save=True, non_verbose=True, verbosity="error",
        )  # fmt: skip
    except (Exception, SystemExit) as error:  # it ends the process itself
        raise Refusal(
            f"onnx2tf cannot convert {origin}.",
            line(error),
            "Export the model for another opset, or without the part that is named; a PyTorch model also goes as .pt2 "
            "(torch.export.save).",
        ) from error


def _forestall_download(folder: Path) -> None:
    """Writes the file of pictures that onnx2tf would download otherwise, for models that take images, whatever its options say."""
    import numpy as np

    pictures = np.zeros((20, 128, 128, 3), np.float32)
    np.save(folder / "calibration_image_sample_data_20x128x128x3_float32.npy", pictures)


def _write(network: Any, path: Path, count: int, shapes: list[Any], model: Any) -> list[bool]:
    """Writes the file with inputs ``in0`` and outputs ``out0`` on; says which outputs onnx2tf has with the channels last."""
    import tensorflow as tf

    given = {tensor.name.partition(":")[0]: tensor for tensor in network.inputs}
    if set(given) != {f"in{place}" for place in range(count)} or len(network.outputs) != len(shapes):
        raise Refusal(
            "onnx2tf changed the inputs or outputs of the model.", f"It has {', '.join(given)}.", "Give it as .pt2."
        )
    specs = [
        tf.TensorSpec(given[name].shape, given[name].dtype, name=name) for name in (f"in{i}" for i in range(count))
    ]
    order = [int(tensor.name.partition(":")[0][2:]) for tensor in network.inputs]

    def serve(*values: Any) -> dict[str, Any]:
        found = network([values[place] for place in order])
        found = found if isinstance(found, list | tuple) else [found]
        return {f"out{place}": tf.identity(value) for place, value in enumerate(found)}

    with tempfile.TemporaryDirectory(dir=path.parent) as saved:
        module = tf.Module()
        module.network = network
        function = tf.function(serve, input_signature=specs)
        tf.saved_model.save(module, saved, signatures={"serving_default": function})
        try:
            path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(saved).convert())
        except Exception as error:
            raise _refused(str(error), model) from error
    return [
        len(shape) == 4
        and list(tensor.shape) == [shape[0], shape[2], shape[3], shape[1]]
        and list(tensor.shape) != list(shape)
        for tensor, shape in zip(network.outputs, shapes, strict=True)
    ]


def _refused(text: str, model: Any) -> Refusal:
    (Path.cwd() / "refused.txt").write_text(text)
    lacking = ", ".join(dict.fromkeys(re.findall(r"error: '(tf\.\w+)' op", text)))
    return Refusal(
        f"TensorFlow Lite has no operator for {lacking}." if lacking else "TensorFlow's converter refuses the model.",
        "" if lacking else text[:400],
        onnx_model.ELSEWHERE,
    )


def _last(value: Any) -> Any:
    return value.transpose(0, 2, 3, 1)


if __name__ == "__main__":
    answer(convert)
