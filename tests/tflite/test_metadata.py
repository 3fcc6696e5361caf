"""Metadata inside a model: read back by the published schema, and the model is still what it was."""

import io
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from conftest import converted, direct_schemes
from read_flatbuffer import Schema

from tflitekit._version import __version__
from tflitekit.bundling.embedding import METADATA_NAME, embed, extract_model
from tflitekit.bundling.metadata import normalization, with_metadata
from tflitekit.core.errors import ContractError, ModelError
from tflitekit.data.preprocessing import PRESETS, Preprocessing
from tflitekit.results import Measured
from tflitekit.tflite.graph import read_graph

PUBLISHED = Schema((Path(__file__).parents[1] / "data" / "metadata_schema.fbs").read_text())
LABELS = ("circle", "square", "stripe")
ADDED = {"size_bytes", "bytes_by_kind", "metadata"}  # what a graph says otherwise once metadata are in the file


def shapes_metadata(path, **changes):
    """Returns the file of a shapes classifier with metadata in it."""
    options = {"name": "shapes", "preprocessing": PRESETS["0-1"], "labels": LABELS, "task": "classification"}
    return with_metadata(path.read_bytes(), read_graph(path), **(options | changes))


def metadata_of(content):
    """Returns the raw entries of a model's metadata by name."""
    model = schema.Model.GetRootAs(content, 0)
    entries = [model.Metadata(i) for i in range(model.MetadataLength())]
    assert len({e.Name() for e in entries}) == len(entries)
    return {e.Name().decode(): model.Buffers(e.Buffer()).DataAsNumpy().tobytes() for e in entries}


def described(content):
    return PUBLISHED.read(metadata_of(content)[METADATA_NAME])


def tensors(content):
    """Returns the metadata of all inputs and outputs."""
    (graph,) = described(content)["subgraph_metadata"]
    return graph["input_tensor_metadata"], graph["output_tensor_metadata"]


def outputs(content, seed=0):
    """Returns all outputs for three random inputs."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    generator, found = np.random.default_rng(seed), []
    for _ in range(3):
        for detail in interpreter.get_input_details():
            values = generator.integers(0, 255, detail["shape"])
            interpreter.set_tensor(
                detail["index"], (values - 128 if detail["dtype"] == np.int8 else values).astype(detail["dtype"])
            )
        interpreter.invoke()
        found += [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
    return found


def buffer_places(content):
    """Returns how far from the file's beginning each buffer's data lie."""
    model = schema.Model.GetRootAs(content, 0)
    found = [model.Buffers(i).DataAsNumpy() for i in range(model.BuffersLength())]
    begin = np.frombuffer(content, np.uint8).ctypes.data
    return [data.ctypes.data - begin for data in found if not isinstance(data, int)]


def repacked(model):
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def unpacked(content):
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(content), 0))


@pytest.mark.parametrize("name", [*direct_schemes(), "int8-io-uint8"])
def test_the_model_stays_what_it_was(file_of, name, tmp_path):
    path = file_of(name)
    content = shapes_metadata(path)
    assert extract_model(content) == path.read_bytes()
    for before, after in zip(outputs(path.read_bytes()), outputs(content), strict=True):
        assert before.dtype == after.dtype and before.tobytes() == after.tobytes()

    (tmp_path / "with.tflite").write_bytes(content)
    before, after = read_graph(path), read_graph(tmp_path / "with.tflite")
    assert replace(after, **{name: getattr(before, name) for name in ADDED}) == before
    assert after.metadata == (*before.metadata, METADATA_NAME)

    before_places, after_places = buffer_places(path.read_bytes()), buffer_places(content)
    assert after_places[-1] % 16 == 0  # as the schema wants it
    (shift,) = {after - before for before, after in zip(before_places, after_places, strict=False)}
    assert shift % 64 == 0  # what was aligned still is
    assert len(before_places) == len(after_places) - 1


def test_everything_that_is_said(variants):
    path = variants / "int8-io-uint8.tflite"
    content = shapes_metadata(
        path,
        preprocessing=Preprocessing(divisor=255, mean=(0.5,), std=(0.25,), fit="center_crop"),
        scheme="int8",
        accuracy=Measured(metric="top1", value=0.983, low=0.971, high=0.99, n=599),
        author="Ada",
        license="Apache-2.0",
        version="7",
    )
    spec = read_graph(path).inputs[0]
    scale, zero = spec.quantization.scale[0], spec.quantization.zero_point[0]
    assert described(content) == {
        "name": "shapes",
        "description": "Compressed by the scheme int8. Top-1 accuracy 98.30% (95% interval 97.1 to 99.0) on 599 samples, "
        f"measured before these metadata were added. Made with tflitekit {__version__}.",
        "version": "7",
        "author": "Ada",
        "license": "Apache-2.0",
        "min_parser_version": "1.0.0",
        "subgraph_metadata": [
            {
                "input_tensor_metadata": [
                    {
                        "name": "image",
                        "description": "Grey image, 12 x 12 pixels. custom: RGB, bilinear resize (center_crop), "
                        "(p / 255 - 0.5) / 0.25. TensorFlow Lite metadata cannot describe the crop to the input's aspect "
                        "ratio: software that knows only the metadata does this differently.",
                        "content": {
                            "content_properties_type": "ImageProperties",
                            "content_properties": {
                                "color_space": "GRAYSCALE",
                                "default_size": {"width": 12, "height": 12},
                            },
                        },
                        "process_units": [
                            {
                                "options_type": "NormalizationOptions",
                                "options": {"mean": [127.5], "std": [63.75]},
                            }
                        ],
                        "stats": {
                            "max": [min(255, round(2 / scale) + zero)],
                            "min": [max(0, round(-2 / scale) + zero)],
                        },
                    }
                ],
                "output_tensor_metadata": [
                    {
                        "name": "shape",
                        "description": "Probability of each class.",
                        "content": {"content_properties_type": "FeatureProperties", "content_properties": {}},
                        "stats": {"max": [255.0], "min": [0.0]},
                        "associated_files": [
                            {
                                "name": "labels.txt",
                                "description": "Names of the classes, in the order of the values.",
                                "type": "TENSOR_AXIS_LABELS",
                            }
                        ],
                    }
                ],
            }
        ],
    }
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["labels.txt"]
        assert archive.read("labels.txt") == b"circle\nsquare\nstripe\n"
        (entry,) = archive.infolist()
        assert entry.compress_type == zipfile.ZIP_STORED
        assert content[entry.header_offset :].startswith(b"PK\x03\x04")  # counted from the file's beginning


def test_the_same_again_is_the_same(variants):
    path = variants / "float32.tflite"
    once = shapes_metadata(path)
    assert once == shapes_metadata(path)
    assert with_metadata(
        once, read_graph(path), name="shapes", preprocessing=PRESETS["0-1"], labels=LABELS, task="classification"
    ) == once  # fmt: skip
    without_labels = with_metadata(once, read_graph(path), name="other")
    assert not zipfile.is_zipfile(io.BytesIO(without_labels))
    assert described(without_labels)["name"] == "other"
    assert described(without_labels)["version"] == described(once)["version"]


def test_what_another_tool_put_there_is_replaced_and_the_rest_is_kept(variants):
    path = variants / "int8.tflite"
    model = unpacked(path.read_bytes())
    entry = schema.MetadataT()
    entry.name, entry.buffer = METADATA_NAME, len(model.buffers)
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(b"something old", np.uint8)
    model.buffers.append(buffer)
    model.metadata.insert(0, entry)
    stream = io.BytesIO(repacked(model))
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("old_labels.txt", "x\ny\nz\n")
    content = with_metadata(
        stream.getvalue(), read_graph(path), name="shapes", labels=LABELS, task="classification",
        preprocessing=PRESETS["0-1"],
    )  # fmt: skip
    entries = metadata_of(content)
    kept = metadata_of(path.read_bytes())
    assert kept
    assert {name: data for name, data in entries.items() if name != METADATA_NAME} == kept
    assert described(content)["name"] == "shapes"
    assert zipfile.ZipFile(io.BytesIO(content)).namelist() == ["labels.txt"]
    assert b"old_labels" not in content
    for before, after in zip(outputs(path.read_bytes()), outputs(content), strict=True):
        assert before.tobytes() == after.tobytes()


def test_buffers_behind_the_flatbuffer_stay_found(variants, tmp_path):
    """Models above 2 GiB hold the distance of their weights from the file's beginning."""
    original = (variants / "float32.tflite").read_bytes()
    model, moved = unpacked(original), {}
    for index, buffer in enumerate(model.buffers):
        if buffer.data is not None and len(buffer.data) >= 64:
            moved[index] = bytes(buffer.data)
            buffer.data, buffer.offset, buffer.size = None, 2, len(moved[index])
    assert len(moved) >= 3
    place = -(-len(repacked(model)) // 64) * 64
    for index, data in moved.items():
        model.buffers[index].offset = place
        place += -(-len(data) // 64) * 64
    content = bytearray(repacked(model))
    for index, data in moved.items():
        content += bytes(model.buffers[index].offset - len(content)) + data
    content = bytes(content)
    done = embed(content, b"metadata of the right kind", {"labels.txt": b"a\n"})
    assert extract_model(done) == content
    assert len(done) > len(content)
    expected = outputs(original)
    for stage in (content, done):
        (tmp_path / "model.tflite").write_bytes(stage)
        for before, after in zip(expected, outputs(stage), strict=True):
            assert before.tobytes() == after.tobytes()
        assert read_graph(tmp_path / "model.tflite").parameters == read_graph(variants / "float32.tflite").parameters


def test_bytes_that_look_like_an_archive_are_no_archive(variants):
    original = (variants / "float32.tflite").read_bytes()
    for tail in (b"PK\x05\x06" + bytes(18), b"PK\x05\x06" + b"\1\0" * 9, b"PK\x03\x04" + bytes(40)):
        assert extract_model(original + tail) == original + tail
        done = embed(original + tail, b"metadata", {"labels.txt": b"a\n"})
        assert extract_model(done) == original + tail
        assert zipfile.ZipFile(io.BytesIO(done)).namelist() == ["labels.txt"]


def test_a_newer_schema_is_refused():
    builder = flatbuffers.Builder(64)
    builder.StartObject(11)
    builder.PrependUint32Slot(0, 3, 0)
    builder.PrependUint32Slot(10, 1, 0)
    builder.Finish(builder.EndObject(), file_identifier=b"TFL3")
    with pytest.raises(ModelError, match="newer schema"):
        embed(bytes(builder.Output()), b"metadata", {})


def test_damaged_models_are_refused(variants):
    content = (variants / "int8.tflite").read_bytes()
    with pytest.raises(ModelError, match="TFL3"):
        embed(b"not a model at all", b"metadata", {})
    for cut in (8, 16, 40):
        with pytest.raises(ModelError, match="damaged"):
            embed(content[:cut], b"metadata", {})
    with pytest.raises(ModelError, match="damaged"):
        embed(struct.pack("<I", 2**31) + content[4:], b"metadata", {})


@pytest.mark.parametrize("label", ["", "  ", "two\nlines", "two\rlines"])
def test_labels_that_would_shift_the_others_are_refused(variants, label):
    with pytest.raises(ContractError, match="class 1"):
        shapes_metadata(variants / "float32.tflite", labels=("circle", label, "stripe"))


@pytest.mark.parametrize("name", PRESETS)
def test_normalization_is_that_of_the_kit(name):
    mean, std = (np.asarray(part) for part in normalization(PRESETS[name]))
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    np.testing.assert_allclose((pixels - mean) / std, PRESETS[name].normalized(pixels, (4, 5, 3)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "preprocessing", "content", "unsaid", "channels"),
    [
        ((-1, 12, 16, 3), PRESETS["imagenet-torch"], "ImageProperties", None, 3),
        ((1, 12, 16, 3), PRESETS["imagenet-caffe"], "FeatureProperties", "the channel order BGR", 3),
        ((1, 12, 16, 4), PRESETS["0-1"], "FeatureProperties", "an alpha channel", 1),
        ((1, 3, 12, 16), PRESETS["imagenet-torch"], "FeatureProperties", "channels before height and width", None),
        ((1, 12, 12), PRESETS["0-1"], "FeatureProperties", "without a dimension for channels", 1),
        ((1, 12, 16, 1), PRESETS["imagenet-tf"], "ImageProperties", "the crop to the central 87.5%", 1),
        ((1, 12, 16, 1), Preprocessing(resize="bicubic"), "ImageProperties", "the bicubic filter", 1),
        ((1, 12, 16, 1), Preprocessing(fit="pad"), "ImageProperties", "black borders", 1),
    ],
)
def test_what_the_standard_cannot_say_stands_in_the_description(
    variants, shape, preprocessing, content, unsaid, channels
):
    path = variants / "float32.tflite"
    graph = read_graph(path)
    graph = replace(graph, inputs=(replace(graph.inputs[0], shape=shape),))
    done = with_metadata(path.read_bytes(), graph, name="shapes", preprocessing=preprocessing)
    ((image,), _) = tensors(done)
    assert image["content"]["content_properties_type"] == content
    if content == "ImageProperties":
        assert image["content"]["content_properties"]["default_size"] == {"width": 16, "height": 12}
    assert ("cannot describe" in image["description"]) == (unsaid is not None)
    assert (unsaid or "") in image["description"]
    if channels is None:
        assert "process_units" not in image
    else:
        assert len(image["process_units"][0]["options"]["mean"]) == channels


def test_several_tensors_in_the_files_order(models, tmp_path):
    converted("two_inputs", tmp_path)
    path = tmp_path / "float32.tflite"
    graph = read_graph(path)
    assert len(graph.inputs) == 2
    ours, theirs = tensors(with_metadata(path.read_bytes(), graph, name="two", preprocessing=PRESETS["0-1"]))
    assert [t["name"] for t in ours] == [spec.name for spec in graph.inputs]
    assert [t["name"] for t in theirs] == [spec.name for spec in graph.outputs]
    assert all(t["content"]["content_properties_type"] == "FeatureProperties" for t in (*ours, *theirs))
    assert not any("process_units" in t for t in ours)


def test_one_value_for_two_classes(models, tmp_path):
    converted("tokens", tmp_path)
    path = tmp_path / "float32.tflite"
    content = with_metadata(path.read_bytes(), read_graph(path), name="spam", labels=("ham", "spam"), task="binary")
    _, (answer,) = tensors(content)
    assert answer["description"] == "Probability of spam; that of ham is one minus it."
    assert "associated_files" not in answer  # labels of an axis: this one has one value
    assert not zipfile.is_zipfile(io.BytesIO(content))


def test_the_official_reader_agrees(variants, tmp_path):
    metadata = pytest.importorskip("tflite_support.metadata", reason="tflite-support is not installed")
    path = tmp_path / "with.tflite"
    path.write_bytes(shapes_metadata(variants / "int8.tflite"))
    displayer = metadata.MetadataDisplayer.with_model_file(str(path))
    assert displayer.get_packed_associated_file_list() == ["labels.txt"]
    assert '"type": "TENSOR_AXIS_LABELS"' in displayer.get_metadata_json()
