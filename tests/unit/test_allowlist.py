"""What a model file may name: Keras's own classes, functions that only compute, the user's own; files that mislead are refused."""

from __future__ import annotations

import os
import zipfile

import pytest

from tflitekit.core.errors import ModelError
from tflitekit.source.allowlist import named_beyond
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
        ("[1]", (), "not a JSON object"),
        ("null", (), "not a JSON object"),
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
    with pytest.raises(ModelError, match="that are read"):
        identify(path)


def test_pipes_and_devices_in_a_saved_model_are_refused_before_tensorflow_waits_for_them(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    (tmp_path / "assets").mkdir()
    identify(tmp_path)
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        make(tmp_path / "assets" / "words.txt")
        with pytest.raises(ModelError, match=r"'assets/words.txt' in it, which is not a regular file"):
            identify(tmp_path)
        (tmp_path / "assets" / "words.txt").unlink()
