"""What real models and libraries name: nothing beyond the allowlist that harms, nothing harmless that is refused."""

from __future__ import annotations

import inspect
import json
import shutil

import h5py
import pytest

from tflitekit.core.errors import ModelError
from tflitekit.source.allowlist import may_compute, named_beyond
from tflitekit.source.keras_config import without_compile
from tflitekit.source.keras_file import read_archive_config, read_hdf5_config, refuse_outside_data
from tflitekit.source.kinds.keras import load_model
from tflitekit.source.models import identify


def test_the_models_of_all_tests_name_nothing_else(models):
    for path in sorted(models.glob("*.keras")):
        found = named_beyond(without_compile(read_archive_config(path)), {"Scale", "Custom>Scale", "Subclassed"})
        assert not [named for named in found if not named.own], path
    for path in sorted(set(models.glob("*.h5")) - set(models.glob("*.weights.h5"))):
        assert named_beyond(without_compile(read_hdf5_config(path))) == (), path
        refuse_outside_data(path)


@pytest.fixture(scope="module")
def library():
    """The names of the installed versions of Keras and TensorFlow."""
    keras = pytest.importorskip("keras")
    from tensorflow.python.util import tf_export
    from tf_keras.src import initializers
    from tf_keras.src.layers import serialization

    serialization.populate_deserializable_objects()
    initializers.populate_deserializable_objects()
    old = {*serialization.LOCAL.ALL_OBJECTS, *initializers.LOCAL.ALL_OBJECTS}
    old |= {name for name, value in vars(keras.src.layers).items() if inspect.isclass(value) and name[0].isupper()}
    parts = ("layers", "models", "initializers", "regularizers", "constraints", "losses", "metrics", "optimizers")
    new = [
        (f"keras.{part}", name)
        for part in parts
        for name, value in vars(getattr(keras, part)).items()
        if inspect.isclass(value) and name == value.__name__
    ]
    return {"old": old, "new": new, "symbols": list(tf_export._NAME_TO_SYMBOL_MAPPING)}


def test_no_layer_of_the_installed_keras_is_refused(library):
    apart = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFOpLambda", "SlicingOpLambda", "ClassMethod",
             "InstanceMethod", "InstanceProperty", "TensorFlowOpLayer", "IndexLookup", "serialize", "deserialize", "get"}  # fmt: skip
    nodes = [layer(name, module) for module, name in library["new"]] + [layer(name) for name in library["old"]]
    refused = {node["class_name"] for node in nodes if named_beyond(node)}
    assert refused <= apart


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


def test_no_function_of_tensorflow_that_has_to_do_with_files_may_compute(library):
    allowed = [name for name in library["symbols"] if may_compute(name)]
    words = ("file", "gfile", "save", "restore", "read_", "write", "load", "summary", "dataset", "py_func", "numpy_function",
             "print", "checkpoint", "exec", "library", "rpc", "server")  # fmt: skip
    assert len(allowed) > 1000
    found = {n.rpartition(".")[2] for n in allowed if any(w in n.lower() for w in words) and "raw_ops." not in n}
    assert found <= {"fingerprint"}  # whose name has 'print' in it


@pytest.mark.slow
def test_a_file_whose_layer_makes_folders_makes_none(cli, tmp_path):
    config = {
        "class_name": "Functional",
        "config": {
            "name": "m",
            "layers": [
                {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 4], "dtype": "float32", "name": "i"},
                 "name": "i", "inbound_nodes": []},
                {"class_name": "TFOpLambda", "config": {"name": "evil", "dtype": "float32", "function": "io.gfile.makedirs"},
                 "name": "evil", "inbound_nodes": [["_CONSTANT_VALUE", -1, str(tmp_path / "made"), {}]]},
            ],
            "input_layers": [["i", 0, 0]], "output_layers": [["evil", 0, 0]],
        },
    }  # fmt: skip
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config), "2.15.0"
        file.create_group("model_weights").attrs["layer_names"] = []
    code, _, err = cli("convert", tmp_path / "m.h5", "--scheme", "float32", "--out", tmp_path / "out")
    assert code == 2
    for words in ("io.gfile.makedirs", "layer 'evil'", "--unsafe-load"):
        assert words in err
    assert not (tmp_path / "made").exists()


def save_models(folder):
    """Saves models whose graphs read and write files: one that may, and some that may not."""
    import tensorflow as tf

    (folder / "words.txt").write_text("a\nb\n")

    class Words(tf.Module):
        def __init__(self):
            kinds = (tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER)
            self.table = tf.lookup.StaticHashTable(tf.lookup.TextFileInitializer(str(folder / "words.txt"), *kinds), -1)
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
        tf.raw_ops.InitializeTableFromTextFileV2(
            table_handle=made, filename="/etc/passwd", key_index=-2, value_index=-1
        )
        return tf.raw_ops.LookupTableFindV2(table_handle=made, keys=x, default_value=tf.constant(1, tf.int64))

    def save(x):
        tf.raw_ops.SaveV2(prefix="x", tensor_names=["a"], shape_and_slices=[""], tensors=[x])
        return x

    def show(x):
        tf.print(x, output_stream="file:///tmp/x")
        return x

    acts = {
        "read": tf.io.read_file,
        "save": save,
        "table": table,
        "show": show,
        "call": lambda x: tf.cond(x == "a", lambda: tf.io.read_file(x), lambda: x),
    }
    for name, act in acts.items():
        evil = Evil(act)
        tf.saved_model.save(evil, str(folder / name), signatures=evil.serve)
    words = Words()
    tf.saved_model.save(words, str(folder / "words"), signatures=words.serve)


@pytest.mark.slow
def test_saved_models_that_touch_files(models, tmp_path):
    save_models(tmp_path)
    shutil.copytree(tmp_path / "words", tmp_path / "outside")
    raw = (tmp_path / "outside" / "saved_model.pb").read_bytes()
    assert b"words.txt" in raw
    (tmp_path / "outside" / "saved_model.pb").write_bytes(raw.replace(b"words.txt", b"../../etc"))
    from tflitekit.source.saved_model_file import refuse_file_operators

    for name in ("shapes_saved_model", "flex_saved_model"):
        refuse_file_operators(models / name)
    refuse_file_operators(tmp_path / "words")
    for name, words in (
        ("read", "ReadFile"), ("save", "SaveV2"), ("table", "not an asset"), ("show", "PrintV2"), ("call", "ReadFile"),
        ("outside", "outside its folder"),
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


def layer(name, module=None, config=None, **more):
    return {"class_name": name, "config": {"name": "it", **(config or {})}, "module": module, **more}
