"""What a model file may name: Keras's own classes, functions that only compute, the user's own; files that mislead are refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from tflitekit.core.errors import ModelError
from tflitekit.source.allowlist import may_compute, named_beyond
from tflitekit.source.keras_config import without_compile
from tflitekit.source.keras_file import read_archive_config, read_hdf5_config, refuse_outside_data, refuse_two_models
from tflitekit.source.kinds.keras import load_model
from tflitekit.source.models import identify


def layer(name, module=None, config=None, **more):
    return {"class_name": name, "config": {"name": "it", **(config or {})}, "module": module, **more}


ALLOWED = {
    "Keras 2 layer": layer("Dense"),
    "Keras 2 initializer by its old name": {"class_name": "glorot_uniform", "config": {}},
    "Keras 3 layer": layer("Dense", "keras.layers", registered_name=None),
    "Keras 3 model": layer("Functional", "keras.src.models.functional", registered_name="Functional"),
    "operation": layer("Add", "keras.src.ops.numpy", registered_name="Add"),
    "layer of an application": layer("LayerScale", "keras.src.applications.convnext"),
    "policy": layer("DTypePolicy", "keras"),
    "Keras 2 file format 3": layer("Dense", "tf_keras.layers"),
    "KerasHub": layer("BertBackbone", "keras_hub.src.models.bert.bert_backbone"),
    "activation": {"class_name": "function", "module": "builtins", "config": "relu", "registered_name": "function"},
    "operation as activation": {"class_name": "function", "module": "keras.ops", "config": "tanh"},
    "tensor": {"class_name": "__keras_tensor__", "config": {"shape": [1], "keras_history": ["a", 0, 0]}},
    "type": {"class_name": "__typespec__", "spec_name": "TensorSpec", "module": "tensorflow.python.framework.tensor", "config": []},
    "function of TensorFlow": layer("TFOpLambda", config={"function": "math.add"}),
    "decoder of images": layer("TFOpLambda", config={"function": "io.decode_jpeg"}),
    "slice": layer("SlicingOpLambda", config={"function": "__operators__.getitem"}),
    "ragged": layer("ClassMethod", config={"cls_symbol": "RaggedTensor", "method_name": "from_row_splits"}),
    "property of a ragged tensor": layer("InstanceProperty", config={"attr_name": "row_splits"}),
    "operator of TensorFlow": layer("TensorFlowOpLayer", config={"node_def": {"op": "AddV2"}}),
    "vocabulary": layer("StringLookup", "keras.layers", {"vocabulary": ["a", "b"]}),
}  # fmt: skip


@pytest.mark.parametrize("node", ALLOWED.values(), ids=ALLOWED.keys())
def test_what_models_are_made_of_is_allowed(node):
    assert named_beyond({"class_name": "Functional", "config": {"layers": [node]}}) == ()


def function(name):
    return layer("TFOpLambda", config={"function": name})


REFUSED = {
    "file function": (function("io.gfile.makedirs"), "io.gfile.makedirs"),
    "v1 file function": (function("compat.v1.gfile.Remove"), "gfile.Remove"),
    "library": (function("load_op_library"), "load_op_library"),
    "raw operator on files": (function("raw_ops.WriteFile"), "WriteFile"),
    "raw checkpoint": (function("raw_ops.SaveV2"), "SaveV2"),
    "raw print into files": (function("raw_ops.PrintV2"), "PrintV2"),
    "function that downloads": (function("keras.utils.get_file"), "get_file"),
    "function that reads its vocabulary": (function("nn.fixed_unigram_candidate_sampler"), "candidate_sampler"),
    "function that writes models": (function("quantization.experimental.quantize_saved_model"), "quantize_saved_model"),
    "function of no name": (function(None), "None"),
    "slicing by another function": (layer("SlicingOpLambda", config={"function": "io.write_file"}), "write_file"),
    "method of a class": (layer("ClassMethod", config={"cls_symbol": "io.TFRecordWriter", "method_name": "write"}), "TFRecordWriter"),
    "attribute": (layer("InstanceMethod", config={"attr_name": "__class__"}), "__class__"),
    "operator": (layer("TensorFlowOpLayer", config={"node_def": {"op": "ReadFile"}}), "ReadFile"),
    "operator in bytes": (layer("TensorFlowOpLayer", config={"node_def": "\n\x01a\x12\x08ReadFile"}), "None"),
    "class of another package": (layer("Popen", "subprocess"), "subprocess.Popen"),
    "class of another part of Keras": (layer("OrderedEnqueuer", "keras.src.saving.saving_api"), "saving_api"),
    "function as class": (layer("load_model", "keras.models"), "load_model"),
    "name with a dot": (layer("K.Eval", "keras.layers"), "K.Eval"),
    "model from a folder": (layer("TFSMLayer", "keras.layers", {"filepath": "/x"}), "TFSMLayer"),
    "pickled layer": (layer("TorchModuleWrapper", "keras.layers"), "TorchModuleWrapper"),
    "class under its registered name": (
        layer("Foo", "tf_keras.src.layers.core.tf_op_layer", {"function": "io.gfile.remove"}, registered_name="TFOpLambda"), "gfile.remove"),
    "function under its registered name": (
        {"class_name": "function", "module": "keras.activations", "config": "relu", "registered_name": "deserialize"}, "deserialize"),
    "function that reads a description": (function("io.decode_proto"), "decode_proto"),
    "operator that reads a description": (function("raw_ops.DecodeProtoV2"), "DecodeProtoV2"),
    "builtin": ({"class_name": "function", "module": "builtins", "config": "eval"}, "eval"),
    "builtin without a module": ({"class_name": "function", "config": "exec"}, "exec"),
    "function of a module": ({"class_name": "function", "module": "os", "config": "system"}, "os.system"),
    "function of Keras's tools": ({"class_name": "function", "module": "keras.utils", "config": "get_file"}, "get_file"),
    "type of another package": ({"class_name": "__typespec__", "spec_name": "Popen", "module": "subprocess", "config": []}, "Popen"),
    "vocabulary file": (layer("StringLookup", "keras.layers", {"vocabulary": "/etc/passwd"}), "/etc/passwd"),
    "vocabulary file of Keras 2": (layer("TextVectorization", None, {"vocabulary": "/etc/passwd"}), "/etc/passwd"),
    "unknown layer": (layer("MyLayer"), "MyLayer"),
    "layer of another module": (layer("MyLayer", "my_layers", registered_name="mine>MyLayer"), "MyLayer"),
    "number as name": (layer(5), "5"),
    "long name": (function("x" * 100_000), "x"),
}  # fmt: skip


@pytest.mark.parametrize(("node", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_everything_else_is_named(node, words):
    for config in (node, {"class_name": "Bidirectional", "config": {"layer": node}}, [[{"kernel_initializer": node}]]):
        (found,) = named_beyond(config)
        assert words in found.what
        assert len(found.what) < 400


def test_the_users_own_are_allowed():
    own = {"MyLayer", "mine>Other", "swoosh"}
    for node in (
        layer("MyLayer"),
        layer("Other", "anything", registered_name="mine>Other"),
        {"class_name": "function", "module": "builtins", "config": "swoosh"},
    ):
        assert named_beyond(node, own) == ()
        assert all(named.own for named in named_beyond(node) if node["class_name"] != "function")


def test_a_name_of_the_users_hides_nothing_else():
    module = "tf_keras.src.layers.core.tf_op_layer"
    evil = {"function": "io.gfile.makedirs"}
    for node in (
        layer("TFOpLambda", None, evil, registered_name="mine>MyLayer"),
        layer("MyLayer", module, evil, registered_name="TFOpLambda"),
        {"class_name": "function", "module": "os", "config": "system", "registered_name": "MyLayer"},
    ):
        assert len(named_beyond(node, {"mine>MyLayer", "MyLayer"})) == 1, node


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


def archive(path, config, *more):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("config.json", config)
        for name, content in more:
            target.writestr(name, content)
    return path


def link():
    entry = zipfile.ZipInfo("assets/vocabulary.txt")
    entry.external_attr = 0o120777 << 16
    return entry


@pytest.mark.parametrize(
    ("config", "more", "words"),
    [
        ("[1]", (), "a list"),
        ("null", (), "NoneType"),
        ("[" * 100_000, (), "nests deeper"),
        ("x", (), "not JSON"),
        (b"\xff", (), "not UTF-8"),
        ("{}", (("assets/../../x", "a"),), "outside"),
        ("{}", (("/etc/x", "a"),), "outside"),
        ("{}", (("C:/x", "a"),), "outside"),
        ("{}", ((link(), "/etc/passwd"),), "is a link"),
    ],
)  # fmt: skip
def test_a_keras_archive_that_misleads_is_refused_where_it_is_identified(config, more, words, tmp_path):
    with pytest.raises(ModelError, match=words) as refused:
        identify(archive(tmp_path / "m.keras", config, *more))
    assert len(str(refused.value)) < 600


def test_a_configuration_that_unpacks_to_gigabytes_is_not_read(tmp_path):
    path = archive(tmp_path / "m.keras", "[" + " " * (70 << 20) + "]")
    with pytest.raises(ModelError, match="the most that are read"):
        identify(path)


@pytest.mark.parametrize(
    "config", [np.array(["{}"], dtype="S2"), np.float32(1), b"[1]", "null", "[" * 50_000, b"\xff{", "{"]
)
def test_an_hdf5_file_with_another_configuration_is_an_error(config, tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = config
    with pytest.raises(ModelError, match="damaged"):
        read_hdf5_config(tmp_path / "m.h5")


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


@pytest.mark.convert
def test_the_models_of_all_tests_name_nothing_else(models):
    for path in sorted(models.glob("*.keras")):
        found = named_beyond(without_compile(read_archive_config(path)), {"Scale", "Custom>Scale", "Subclassed"})
        assert not [named for named in found if not named.own], path
    for path in sorted(set(models.glob("*.h5")) - set(models.glob("*.weights.h5"))):
        assert named_beyond(without_compile(read_hdf5_config(path))) == (), path
        refuse_outside_data(path)


_NAMES = """
import inspect, json, sys
import keras, tf_keras
from tf_keras.src.layers import serialization
from tf_keras.src import initializers
from tensorflow.python.util import tf_export
serialization.populate_deserializable_objects(), initializers.populate_deserializable_objects()
old = {*serialization.LOCAL.ALL_OBJECTS, *initializers.LOCAL.ALL_OBJECTS}
parts = ("layers", "models", "initializers", "regularizers", "constraints", "losses", "metrics", "optimizers")
old |= {n for n, v in vars(keras.src.layers).items() if inspect.isclass(v) and n[0].isupper()}
new = [[f"keras.{p}", n] for p in parts for n, v in vars(getattr(keras, p)).items() if inspect.isclass(v) and n == v.__name__]
json.dump({"old": sorted(old), "new": new, "symbols": sorted(tf_export._NAME_TO_SYMBOL_MAPPING)}, sys.stdout)
"""


@pytest.fixture(scope="module")
def library():
    """The names of the installed versions of Keras and TensorFlow."""
    pytest.importorskip("tensorflow")
    done = subprocess.run([sys.executable, "-c", _NAMES], capture_output=True, text=True, check=True)
    return json.loads(done.stdout[done.stdout.index('{"old"') :])


@pytest.mark.convert
def test_no_layer_of_the_installed_keras_is_refused(library):
    apart = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFOpLambda", "SlicingOpLambda", "ClassMethod",
             "InstanceMethod", "InstanceProperty", "TensorFlowOpLayer", "IndexLookup", "serialize", "deserialize", "get"}  # fmt: skip
    nodes = [layer(name, module) for module, name in library["new"]] + [layer(name) for name in library["old"]]
    refused = {node["class_name"] for node in nodes if named_beyond(node)}
    assert refused <= apart


@pytest.mark.convert
def test_operations_that_an_h5_file_of_keras_3_lost_are_told_from_layers_of_the_users(tmp_path):
    import keras

    tokens = keras.Input((3,), dtype="int32")
    for name, outputs in (
        ("masked", keras.layers.LSTM(2)(keras.layers.Embedding(5, 2, mask_zero=True)(tokens))),
        ("scaled", keras.layers.Embedding(5, 2)(tokens) * 2.0),
    ):
        path = tmp_path / f"{name}.h5"
        keras.Model(tokens, outputs).save(path)
        with pytest.raises(ModelError, match=r"model\.save\('name\.keras'\)"):
            load_model(path, kind="hdf5", unsafe_load=False, custom_objects=None)


@pytest.mark.convert
def test_what_is_in_a_file_counts_and_not_its_name(models, tmp_path):
    for name, kind, like in (
        ("shapes.keras", "keras", "m.h5"),
        ("shapes.keras", "keras", "m"),
        ("shapes.h5", "hdf5", "m.KERAS"),
        ("shapes.h5", "hdf5", "m.keras"),
    ):
        shutil.copy(models / name, tmp_path / like)
        assert identify(tmp_path / like).kind == kind
        model, notes = load_model(tmp_path / like, kind=kind, unsafe_load=False, custom_objects=None)
        assert model.count_params() > 0 and not notes


@pytest.mark.convert
def test_no_function_of_tensorflow_that_has_to_do_with_files_may_compute(library):
    allowed = [name for name in library["symbols"] if may_compute(name)]
    words = ("file", "gfile", "save", "restore", "read_", "write", "load", "summary", "dataset", "py_func", "numpy_function",
             "print", "checkpoint", "exec", "library", "rpc", "server")  # fmt: skip
    assert len(allowed) > 1000
    found = {n.rpartition(".")[2] for n in allowed if any(w in n.lower() for w in words) and "raw_ops." not in n}
    assert found <= {"fingerprint"}  # whose name has 'print' in it


@pytest.mark.convert
@pytest.mark.slow
def test_a_file_whose_layer_makes_folders_makes_none(cli, tmp_path, monkeypatch):
    config = {
        "class_name": "Functional",
        "config": {
            "name": "m",
            "layers": [
                {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 4], "dtype": "float32", "name": "i"},
                 "name": "i", "inbound_nodes": []},
                {"class_name": "TFOpLambda", "config": {"name": "evil", "dtype": "float32", "function": "io.gfile.makedirs"},
                 "name": "evil", "inbound_nodes": [["_CONSTANT_VALUE", -1, "made", {}]]},
            ],
            "input_layers": [["i", 0, 0]], "output_layers": [["evil", 0, 0]],
        },
    }  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with h5py.File("m.h5", "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config), "2.15.0"
        file.create_group("model_weights").attrs["layer_names"] = []
    code, _, err = cli("convert", "m.h5", "--scheme", "float32", "--out", "out")
    assert code == 2
    for words in ("io.gfile.makedirs", "layer 'evil'", "--unsafe-load"):
        assert words in err
    assert not Path("made").exists()


_SAVED = """
import sys
import tensorflow as tf
folder = sys.argv[1]
open(folder + "/words.txt", "w").write("a\\nb\\n")

class Words(tf.Module):
    def __init__(self):
        kinds = (tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER)
        self.table = tf.lookup.StaticHashTable(tf.lookup.TextFileInitializer(folder + "/words.txt", *kinds), -1)
        self.scale = tf.Variable(1.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(self, x):
        return tf.cast(self.table.lookup(x), tf.float32) * self.scale

class Evil(tf.Module):
    def __init__(self, act):
        self.act = act

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def serve(self, x):
        return self.act(x)

def table(x):
    made = tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)
    tf.raw_ops.InitializeTableFromTextFileV2(table_handle=made, filename="/etc/passwd", key_index=-2, value_index=-1)
    return tf.raw_ops.LookupTableFindV2(table_handle=made, keys=x, default_value=tf.constant(1, tf.int64))

def save(x):
    tf.raw_ops.SaveV2(prefix="x", tensor_names=["a"], shape_and_slices=[""], tensors=[x])
    return x

def show(x):
    tf.print(x, output_stream="file:///tmp/x")
    return x

acts = {"read": tf.io.read_file, "save": save, "table": table, "show": show,
        "call": lambda x: tf.cond(x == "a", lambda: tf.io.read_file(x), lambda: x)}
for name, act in acts.items():
    evil = Evil(act)
    tf.saved_model.save(evil, folder + "/" + name, signatures=evil.serve)
words = Words()
tf.saved_model.save(words, folder + "/words", signatures=words.serve)
"""


@pytest.mark.convert
@pytest.mark.slow
def test_saved_models_that_touch_files(models, tmp_path):
    subprocess.run([sys.executable, "-c", _SAVED, str(tmp_path)], capture_output=True, text=True, check=True)
    shutil.copytree(tmp_path / "words", tmp_path / "outside")
    raw = (tmp_path / "outside" / "saved_model.pb").read_bytes()
    assert b"words.txt" in raw
    (tmp_path / "outside" / "saved_model.pb").write_bytes(raw.replace(b"words.txt", b"../../etc"))
    from tflitekit.source.saved_model_file import refuse_file_operators

    for name in ("shapes_saved_model", "flex_saved_model"):
        refuse_file_operators(models / name)
    refuse_file_operators(tmp_path / "words")
    for name, words in (
        ("read", "ReadFile"), ("save", "SaveV2"), ("table", "no asset"), ("show", "PrintV2"), ("call", "ReadFile"),
        ("outside", "outside of its folder"),
    ):  # fmt: skip
        with pytest.raises(ModelError, match=words):
            refuse_file_operators(tmp_path / name)
    asset = tmp_path / "words" / "assets" / "words.txt"
    asset.unlink()
    asset.symlink_to(tmp_path / "words.txt")
    with pytest.raises(ModelError, match="a link to a file outside of its folder"):
        refuse_file_operators(tmp_path / "words")
    (tmp_path / "read" / "saved_model.pb").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(ModelError, match="damaged"):
        refuse_file_operators(tmp_path / "read")


def test_pipes_and_devices_in_a_saved_model_are_refused_before_tensorflow_waits_for_them(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    (tmp_path / "assets").mkdir()
    identify(tmp_path)
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        make(tmp_path / "assets" / "words.txt")
        with pytest.raises(ModelError, match=r"'assets/words.txt' in it, which is no regular file"):
            identify(tmp_path)
        (tmp_path / "assets" / "words.txt").unlink()
