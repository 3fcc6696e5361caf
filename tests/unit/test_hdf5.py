"""Models in HDF5 that could reach further than themselves."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest

from tflitekit.core.errors import ModelError
from tflitekit.source.keras_file import read_hdf5_config, refuse_outside_data, refuse_two_models
from tflitekit.source.kinds.keras import load_model

h5py = pytest.importorskip("h5py", reason="h5py comes with the convert extra")


def layer(name, module=None, config=None, **more):
    return {"class_name": name, "config": {"name": "it", **(config or {})}, "module": module, **more}


@pytest.mark.parametrize("wrapper", ["Lambda", "ResidualWrapper", "DropoutWrapper"])
def test_python_code_in_a_layer_or_a_cell_is_refused(wrapper, tmp_path):
    key = {"Lambda": "function", "ResidualWrapper": "residual_fn", "DropoutWrapper": "dropout_fn"}[wrapper]
    cell = layer(wrapper, None, {"name": "w", key: ["4wEAAAA=", None, None], f"{key}_type": "lambda"})
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(
            {"class_name": "Sequential", "config": {"layers": [layer("RNN", config={"cell": cell})]}}
        )
    with pytest.raises(ModelError, match=r"Lambda layers \(w\)"):
        load_model(tmp_path / "m.h5", kind="hdf5", unsafe_load=False, custom_objects=None)


@pytest.mark.parametrize(
    "config", [np.array(["{}"], dtype="S2"), np.float32(1), b"[1]", "null", "[" * 50_000, b"\xff{", "{"]
)
def test_an_hdf5_file_with_another_configuration_is_an_error(config, tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = config
    with pytest.raises(ModelError, match="damaged"):
        read_hdf5_config(tmp_path / "m.h5")


def test_weights_that_begin_where_hdf5_looks_are_no_second_model(models, tmp_path):
    """At 8192 bytes, as happens to one archive in some thousands."""
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(models / "shapes.keras") as kept, zipfile.ZipFile(path, "w") as moved:
        moved.writestr("metadata.json", kept.read("metadata.json"))
        config, header = kept.read("config.json"), 30  # of each part, and its name behind it
        names = sum(header + len(name) for name in ("metadata.json", "config.json", "model.weights.h5"))
        room = 8192 - names - len(kept.read("metadata.json"))
        moved.writestr("config.json", config + b" " * (room - len(config)))
        moved.writestr("model.weights.h5", kept.read("model.weights.h5"))
    assert path.read_bytes()[8192:8196] == b"\x89HDF"
    refuse_two_models(path)


def test_two_models_in_one_file_are_refused(tmp_path):
    with h5py.File(tmp_path / "m.keras", "w") as file:
        file.attrs["model_config"] = "{}"
    refuse_two_models(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras", "a") as both:
        both.writestr("config.json", "{}")
    with pytest.raises(ModelError, match="two models in one file"):
        load_model(tmp_path / "m.keras", kind="hdf5", unsafe_load=False, custom_objects=None)


def test_weights_in_other_files_are_refused(tmp_path):
    (tmp_path / "secret").write_bytes(b"0123456789abcdef")
    with h5py.File(tmp_path / "linked.h5", "w") as file:
        file.create_group("model_weights")["dense"] = h5py.ExternalLink("other.h5", "/x")
    with h5py.File(tmp_path / "external.h5", "w") as file:
        file.create_dataset("w", (4,), "f4", external=[(str(tmp_path / "secret"), 0, 16)])
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        layout = h5py.VirtualLayout((4,), "f4")
        layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
        file.create_virtual_dataset("w", layout)
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file.create_dataset("a/w", data=[1.0])
        file["b"] = h5py.SoftLink("/a")
        file["a/cycle"] = file["a"]
    for name in ("linked", "external", "own"):
        weights = (tmp_path / f"{name}.h5").read_bytes()
        archive(tmp_path / f"{name}.keras", "{}", ("model.weights.h5", weights))
    with zipfile.ZipFile(tmp_path / "stored.keras", "w") as target:
        target.write(tmp_path / "linked.h5", "model.weights.h5")
    for name in ("linked.keras", "external.keras", "stored.keras"):
        with pytest.raises(ModelError, match="another file"):
            refuse_outside_data(tmp_path / name)
    refuse_outside_data(tmp_path / "own.keras")
    for name in ("linked", "external", "virtual"):
        with pytest.raises(ModelError, match="another file"):
            refuse_outside_data(tmp_path / f"{name}.h5")
    refuse_outside_data(tmp_path / "own.h5")


def archive(path, config, *more):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("config.json", config)
        for name, content in more:
            target.writestr(name, content)
    return path
