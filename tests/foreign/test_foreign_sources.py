"""ONNX and PyTorch for real: the environments, small networks made there and then, and the whole street with each."""

import json
import os
import subprocess
import zipfile
from pathlib import Path

import pytest
from conftest import run_json
from light_process import run_light

from tflitekit.environments import find_environment

HERE = Path(__file__).parent
SUFFIX = {"onnx": ".onnx", "torch": ".pt2"}
LAYERS = {
    "onnx": {
        "convolution": ["Conv c1", "Conv c2", "Conv features", "Gemm scores"],
        "recurrent": ["LSTM all", "Gemm scores"],
        "transformer": ["MatMul q", "Softmax weights", "LayerNormalization normal", "Gemm scores"],
    },
    "torch": {
        "convolution": ["first", "depthwise", "last", "head"],
        "recurrent": ["gru", "head"],
        "transformer": ["block.self_attn", "block.norm1", "block.linear1", "block.linear2", "head"],
    },
}
STREETS = [(name, network) for name in SUFFIX for network in ("convolution", "recurrent", "transformer")]


@pytest.fixture(scope="session")
def networks(tmp_path_factory):
    """By the name of an environment a folder of networks with their samples; skips where it is not ready, but fails where CI runs."""
    made = {}

    def of(name):
        environment = find_environment(name)
        status = environment.status()
        if status.state != "ready":
            absent = f"The environment for {environment.purpose} is {status.state}: bash scripts/test_foreign.sh {name}"
            (pytest.fail if os.environ.get("CI", "").lower() == "true" else pytest.skip)(absent)
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            subprocess.run([environment.python, "-E", HERE / f"make_{name}.py", made[name]], check=True)
        return made[name]

    return of


def sizes(name, network):
    """What the ONNX convolution leaves open, as users give it."""
    return ("--input-shape", "picture=3,16,16") if (name, network) == ("onnx", "convolution") else ()


@pytest.mark.parametrize(("name", "network"), STREETS)
def test_the_whole_street(networks, tmp_path, name, network):
    folder, out = networks(name), tmp_path / "out"
    command = (
        "optimize", folder / f"{network}{SUFFIX[name]}", "--data", folder / f"{network}.npz",
        "--calibration", folder / f"{network}_calibration.npz", "--preprocess", "raw", "--out", out, *sizes(name, network),
    )  # fmt: skip
    done = run_light(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((out / "report.json").read_text())
    assert report["source"]["proof"]["relative"] < 1e-5
    assert report["source"]["loader"].startswith({"onnx": "ONNX Runtime", "torch": "PyTorch"}[name])
    variants = {variant["name"]: variant for variant in report["variants"]}
    print(
        {name: (variant["size_bytes"], (variant["accuracy"] or {}).get("value")) for name, variant in variants.items()}
    )
    # The labels are the original's, which makes this a second proof, over all samples.
    assert variants["float32"]["accuracy"]["value"] == 1.0
    for scheme in ("float16", "dynamic_range"):
        assert variants[scheme]["status"] == "ok"
        assert variants[scheme]["accuracy"]["value"] > 0.95

    if network == "convolution":  # int8 of recurrent networks and attention depends on what the quantizer can calibrate
        assert variants["int8"]["accuracy"]["value"] > 0.95

    layers = json.loads((out / "dynamic_range.json").read_text())["layers"]
    assert [layer for layer in layers if layer in LAYERS[name][network]] == LAYERS[name][network]

    bundle = run_light("bundle", out, "--data", folder / f"{network}.npz", "--out", tmp_path / "bundle")
    assert bundle.returncode == 0, bundle.stderr
    assert (tmp_path / "bundle.zip").is_file()

    again = run_light(*command, "--json")
    assert all(v["reused"] for v in json.loads(again.stdout)["variants"] if v["status"] == "ok")


@pytest.mark.parametrize("name", list(SUFFIX))
def test_the_users_own_python(networks, cli, tmp_path, name):
    python = find_environment(name).python
    model = networks(name) / f"transformer{SUFFIX[name]}"
    found = run_json(cli("convert", model, "--scheme", "float32", "--with", python, "--out", tmp_path, "--json"))
    assert [v["status"] for v in found["variants"]] == ["ok"]
    assert not any("was tested" in note for note in found["source"]["notes"])


def refused(cli, model, tmp_path, *options):
    code, _, error = cli("convert", model, "--scheme", "float32", "--out", tmp_path / "out", *options)
    assert code == 2, error
    assert "Traceback" not in error
    return " ".join(error.split())


def changed(path, target, change):
    """Writes a copy of a ``.pt2`` whose parts were changed by their names without the folder."""
    with zipfile.ZipFile(path) as archive:
        root = archive.namelist()[0].partition("/")[0]
        parts = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    change(parts)
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in parts.items():
            archive.writestr(f"{root}/{name}", content)
    return target


def program(parts, **fields):
    parts["models/model.json"] = json.dumps(json.loads(parts["models/model.json"]) | fields).encode()


def pickled(parts):
    """Puts a pickle where the example inputs are; it would leave a file."""
    where = "data/sample_inputs/model.pt"
    with zipfile.ZipFile(_bytes(parts[where])) as archive:
        inner = {name: archive.read(name) for name in archive.namelist()}
    (pickle,) = (name for name in inner if name.endswith("data.pkl"))
    inner[pickle] = b"cposix\nsystem\nX\x0c\x00\x00\x00touch /PWNEDtR."
    buffer = _bytes()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in inner.items():
            archive.writestr(name, content)
    parts[where] = buffer.getvalue()


def _bytes(content=b""):
    import io

    return io.BytesIO(content)


def test_programs_that_pytorch_cannot_read(networks, cli, tmp_path):
    model = networks("torch") / "transformer.pt2"
    older = {"torch_version": "2.8.0", "schema_version": {"major": 7, "minor": 1}}
    path = changed(model, tmp_path / "older.pt2", lambda parts: program(parts, **older))
    assert "PyTorch 2.8.0 exported it: export it again with 2.14.1" in refused(cli, path, tmp_path)
    path = changed(model, tmp_path / "pickled.pt2", pickled)
    assert "Loading them runs what the file says: posix.system" in refused(cli, path, tmp_path)
    (tmp_path / "cut.pt2").write_bytes(model.read_bytes()[:-100])
    assert "or its end is missing" in refused(cli, tmp_path / "cut.pt2", tmp_path)


MODELS = """
import sys, onnx
from onnx import TensorProto, helper
from pathlib import Path
folder = Path(sys.argv[1])
def save(name, *nodes, weights=(), domains=("",)):
    ends = [[helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 4])] for n in "xy"]
    opsets = [helper.make_opsetid(domain, 17) for domain in domains]
    model = helper.make_model(helper.make_graph(list(nodes), "g", *ends, list(weights)), opset_imports=opsets)
    model.ir_version = 8
    (folder / name).write_bytes(model.SerializeToString())
def elsewhere(location):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor
save("missing.onnx", helper.make_node("Add", ["x", "w"], ["y"]), weights=[elsewhere("weights.bin")])
save("outside.onnx", helper.make_node("Add", ["x", "w"], ["y"]), weights=[elsewhere("../../../etc/hostname")])
save("constant.onnx", helper.make_node("Constant", [], ["w"], value=elsewhere("/etc/hostname")), helper.make_node("Add", ["x", "w"], ["y"]))
save("custom.onnx", helper.make_node("Mine", ["x"], ["y"], domain="my.own"), domains=("", "my.own"))
"""


def test_onnx_models_that_are_refused(networks, cli, tmp_path):
    model = networks("onnx") / "convolution.onnx"
    assert "--input-shape picture=3,320,320" in refused(cli, model, tmp_path)
    (tmp_path / "cut.onnx").write_bytes(model.read_bytes()[:1500])
    assert "is not a sound ONNX model" in refused(cli, tmp_path / "cut.onnx", tmp_path)
    subprocess.run([find_environment("onnx").python, "-E", "-c", MODELS, tmp_path], check=True)
    for name in ("missing", "outside", "constant"):
        assert "keeps its weights in other files" in refused(cli, tmp_path / f"{name}.onnx", tmp_path)
    assert "Mine" in refused(cli, tmp_path / "custom.onnx", tmp_path)
