"""Runs in the environment of ONNX, without the kit: an ONNX model in, a float ``.tflite`` and what ONNX Runtime says out.

Started with the file of a request; see `tflitekit.source.foreign.call` for both sides of it.
"""

from __future__ import annotations

import importlib.util
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from answering import Refusal, answer, fixed_shape, is_picture, line, named, untyped

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_USE_LEGACY_KERAS="1", CUDA_VISIBLE_DEVICES="-1")


def convert(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Writes ``model.tflite`` and ``proof.npz`` into a folder; returns what the kit should know."""
    import numpy as np
    import onnx
    import onnxruntime

    os.chdir(folder)  # where onnx2tf looks for its pictures
    model = _load(request["model"])
    _require_operators(model, request["model"])
    shapes = _fixed_shapes(model, request)
    model = _simplified(model, shapes)
    moved = {name for name, shape in shapes.items() if is_picture(shape, request["layout"])}
    (folder / "fixed.onnx").write_bytes(model.SerializeToString())
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    samples = [_sample(session.get_inputs(), shapes, seed, request["model"]) for seed in range(request["samples"])]
    try:
        expected = [session.run(None, sample) for sample in samples]
    except Exception as error:
        raise Refusal(
            f"ONNX Runtime cannot run {request['model']}.", line(error), "Check the model with ONNX Runtime."
        ) from error
    network = _network(folder / "fixed.onnx", shapes, moved, folder, request["model"])
    names = [value.name for value in session.get_outputs()]
    turned = _write(network, folder / "model.tflite", list(shapes), names, [value.shape for value in expected[0]])
    arrays = {}
    for index, (sample, outputs) in enumerate(zip(samples, expected, strict=True)):
        for place, (name, value) in enumerate(sample.items()):
            arrays[f"{index}/in/{place}"] = _channels_last(value) if name in moved else value
        for place, value in enumerate(outputs):
            arrays[f"{index}/out/{place}"] = _channels_last(value) if turned[place] else value
    np.savez(folder / "proof.npz", **arrays)
    return {
        "original": f"ONNX Runtime {onnxruntime.__version__}",
        "inputs": [_plain(name) for name in shapes],
        "outputs": [_plain(name) for name in names],
        "moved": sorted(moved) + [name for name, is_turned in zip(names, turned, strict=True) if is_turned],
        "parameters": sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer),
        "versions": {"onnx": onnx.__version__},
    }


def _load(path: str) -> Any:
    import onnx

    try:
        model = onnx.load(path, load_external_data=False)
        onnx.checker.check_model(model)
    except Exception as error:
        raise Refusal(f"{path} is not a sound ONNX model.", line(error), "Export it again.") from error
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise Refusal(
            f"{path} keeps its weights in other files.",
            "The kit reads one file, so that no model can name others on this machine.",
            "Save it whole: onnx.save(onnx.load('MODEL.onnx'), 'WHOLE.onnx').",
        )
    return model


def _fixed_shapes(model: Any, request: dict[str, Any]) -> dict[str, list[int]]:
    """Returns the whole shape of each input; sizes that the model leaves open are the user's, or else refused."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    given = named(request["input_shapes"], [value.name for value in inputs], request["model"])
    return {
        value.name: fixed_shape(
            value.name,
            [dim.dim_value or dim.dim_param or "?" for dim in value.type.tensor_type.shape.dim],
            given,
            request["batch"],
            request["model"],
        )
        for value in inputs
    }


def _simplified(model: Any, shapes: dict[str, list[int]]) -> Any:
    """Fixes all sizes and folds constants: onnx2tf cannot infer shapes of its own where batch, height and width are open."""
    import onnxslim

    try:
        return onnxslim.slim(
            model, input_shapes=[f"{name}:{','.join(map(str, shape))}" for name, shape in shapes.items()]
        )
    except (Exception, SystemExit) as error:
        raise Refusal("onnxslim cannot infer the shapes of the model.", line(error), "Check --input-shape.") from error


def _sample(inputs: Any, shapes: dict[str, list[int]], seed: int, origin: str) -> dict[str, Any]:
    import numpy as np

    random = np.random.default_rng(seed)
    sample = {}
    for value in inputs:
        shape = shapes[value.name]
        if value.type == "tensor(float)":
            sample[value.name] = random.standard_normal(shape).astype(np.float32)
        elif value.type in ("tensor(int32)", "tensor(int64)"):
            sample[value.name] = random.integers(0, 2, shape).astype(np.int32 if "32" in value.type else np.int64)
        elif value.type == "tensor(bool)":
            sample[value.name] = random.integers(0, 2, shape).astype(bool)
        else:
            raise untyped(value.name, value.type, origin)
    return sample


def _network(path: Path, shapes: dict[str, list[int]], moved: set[str], folder: Path, origin: str) -> Any:
    import onnx2tf

    _forestall_download(folder)
    kept = [name for name, shape in shapes.items() if name not in moved and len(shape) >= 3]
    try:
        return onnx2tf.convert(
            input_onnx_file_path=str(path), output_folder_path=str(folder / "onnx2tf"), not_use_onnxsim=True,
            keep_shape_absolutely_input_names=kept or None, disable_model_save=True, non_verbose=True, verbosity="error",
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


def _require_operators(model: Any, origin: str) -> None:
    """Refuses what onnx2tf has no file for: it would end the process itself."""
    found = importlib.util.find_spec("onnx2tf.ops")
    folder = Path(next(iter(found.submodule_search_locations or []))) if found else Path()
    known = {file.stem.lower() for file in folder.glob("*.py")}
    lacking = sorted({node.op_type for node in model.graph.node if node.op_type.lower() not in known})
    if lacking:
        raise Refusal(
            f"{origin} has operators that onnx2tf does not convert: {', '.join(lacking)}.",
            "",
            "Export the model without them; what belongs to preprocessing or to reading the outputs can be done in the app.",
        )


def _write(network: Any, path: Path, inputs: list[str], outputs: list[str], shapes: list[Any]) -> list[bool]:
    """Writes the file with the names of the ONNX model; says which outputs onnx2tf has with the channels last."""
    import tensorflow as tf

    wanted = {_plain(name): name for name in inputs}
    given = {_plain(tensor.name.partition(":")[0]): tensor for tensor in network.inputs}
    if set(wanted) != set(given) or len(network.outputs) != len(outputs):
        raise Refusal(
            "onnx2tf changed the inputs or outputs of the model.", f"It has {', '.join(given)}.", "Give it as .pt2."
        )
    specs = [tf.TensorSpec(given[_plain(name)].shape, given[_plain(name)].dtype, name=_plain(name)) for name in inputs]
    order = [inputs.index(wanted[_plain(tensor.name.partition(":")[0])]) for tensor in network.inputs]

    def serve(*values: Any) -> dict[str, Any]:
        found = network([values[place] for place in order])
        found = found if isinstance(found, list | tuple) else [found]
        return {_plain(name): tf.identity(value) for name, value in zip(outputs, found, strict=True)}

    with tempfile.TemporaryDirectory(dir=path.parent) as saved:
        module = tf.Module()
        module.network = network
        function = tf.function(serve, input_signature=specs)
        tf.saved_model.save(module, saved, signatures={"serving_default": function})
        try:
            path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(saved).convert())
        except Exception as error:
            lacking = ", ".join(dict.fromkeys(re.findall(r"error: '(tf\.\w+)' op", str(error))))
            raise Refusal(
                f"TensorFlow Lite has no operator for {lacking}."
                if lacking
                else "TensorFlow's converter refuses the model.",
                "" if lacking else line(error),
                "Export the model without it; what belongs to preprocessing or to reading the outputs can be done in the app.",
            ) from error
    return [
        len(shape) == 4
        and list(tensor.shape) == [shape[0], shape[2], shape[3], shape[1]]
        and list(tensor.shape) != list(shape)
        for tensor, shape in zip(network.outputs, shapes, strict=True)
    ]


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")  # onnx2tf writes ':' as two of them


def _channels_last(value: Any) -> Any:
    return value.transpose(0, 2, 3, 1)


if __name__ == "__main__":
    answer(convert)
