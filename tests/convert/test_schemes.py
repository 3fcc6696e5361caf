"""Every scheme of the registry: converts, keeps its promise, and stays close to the float model."""

import json

import numpy as np
import pytest
from conftest import DATA, direct_schemes, shape_arrays

from tflitekit import ConvertOptions, TrainingOptions
from tflitekit.conversion import convert
from tflitekit.core.errors import ConversionError, UsageError
from tflitekit.core.files import content_hash
from tflitekit.core.progress import Progress
from tflitekit.data.calibration import store_calibration
from tflitekit.data.dataset import open_dataset
from tflitekit.data.preprocessing import PRESETS
from tflitekit.engines.variants import _check_promise, make_variant
from tflitekit.schemes import Promise, available, find, parse_request, parse_requests
from tflitekit.source.keras_export import export_model
from tflitekit.source.prepared import PreparedSource
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.runtime import Model
from tflitekit.tflite.variant import Variant, read_sidecar

# Largest difference of any class probability on the test pictures. Rounding float32 (and float16 weights) moves it by
# less than a thousandth; int8 weights by hundredths; int8 activations too, in steps of 1/256 at the output.
TOLERANCE = {
    "float32": 1e-6,
    "float16": 5e-3,
    "dynamic_range": 0.12,
    "int8": 0.2,
    "int8_float_fallback": 0.2,
    "int16x8": 0.1,
    "weight_only_int8": 0.05,
    "weight_only_int4": 0.3,  # 16 values per channel
    "dynamic_int4": 0.3,
    "int4x8": 0.35,
}
# The same for schemes that train, which also moves the weights. Two epochs at the default rates bring the classifier nearer
# to its labels, and compressing takes some of that away: on nearly all pictures it has to say the same class, and the
# probabilities have to be the float model's in the mean.
TRAINED_AGREEMENT, TRAINED_MEAN = 0.9, 0.1


@pytest.fixture(scope="module")
def variants(models, shapes, tmp_path_factory):
    """All schemes that do not train, converted now; other tests read the files that are committed."""
    out = tmp_path_factory.mktemp("variants")
    schemes = [name for name in direct_schemes() if find(name).needs != "training"]
    result = convert(
        models / "shapes.keras", schemes=[*schemes, "int8:io=uint8"], calibration=shapes / "train", out=out
    )
    assert [v.name for v in result.variants if v.status != "ok"] == []
    return out


def names(*more, training=False):
    """Returns the direct schemes, all or those that train; for ``--thorough`` those of which each stage is in another one, too."""
    within = ("pruned_qat", "clustered_qat")
    chosen = [name for name in direct_schemes() if find(name).needs == "training" or not training]
    return [*(pytest.param(name, marks=pytest.mark.thorough) if name in within else name for name in chosen), *more]


@pytest.fixture(scope="module")
def trained_variants(request, models, shapes, tmp_path_factory):
    """The schemes that train and that tests here ask for, of the same classifier, trained for two epochs a stage."""
    asked = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    out = tmp_path_factory.mktemp("trained_variants")
    result = convert(
        models / "shapes.keras",
        schemes=[name for name, scheme in available().items() if scheme.needs == "training" and name in asked],
        out=out,
        options=ConvertOptions(training=TrainingOptions(data=shapes / "train", epochs=2, batch_size=16)),
    )
    assert [(v.name, v.error) for v in result.variants if v.status != "ok"] == []
    return out


@pytest.fixture(scope="module")
def folders(request):
    """Returns the folder that has a scheme's file."""
    return lambda name: request.getfixturevalue(
        "trained_variants" if name in available() and available()[name].needs == "training" else "variants"
    )


@pytest.mark.parametrize("name", names("int8-io-uint8"))
def test_the_committed_file_is_what_the_converter_makes_today(folders, name):
    """Rounding on another machine may move a weight or a scale by a step, but not what the file is made of."""
    trains = name in available() and available()[name].needs == "training"
    committed = read_graph(DATA / "converted" / ("shapes_trained" if trains else "shapes") / f"{name}.tflite")
    made = read_graph(folders(name) / f"{name}.tflite")
    assert made.ops == committed.ops
    assert made.inputs[0].dtype == committed.inputs[0].dtype
    assert made.weight_bytes_by_dtype == committed.weight_bytes_by_dtype
    assert made.min_runtime_version == committed.min_runtime_version


@pytest.mark.parametrize("name", names())
def test_scheme_keeps_its_promise_and_stays_close_to_float(variants, folders, name):
    images, labels = shape_arrays(90, seed=9)
    folder = folders(name)
    baseline, model = Model(variants / "float32.tflite"), Model(folder / f"{name}.tflite")
    expected = np.concatenate([baseline.run([image[None]])[0] for image in images])
    found = np.concatenate([model.run([image[None]])[0] for image in images])
    if find(name).needs == "training":
        assert np.mean(found.argmax(1) == expected.argmax(1)) >= TRAINED_AGREEMENT
        assert np.abs(found - expected).mean() <= TRAINED_MEAN
    else:
        assert np.abs(found - expected).max() <= TOLERANCE[name]
    assert np.mean(expected.argmax(1) == labels) > 0.9  # the model is a real one
    graph, promise = read_graph(folder / f"{name}.tflite"), find(name).promise(find(name).defaults)
    assert {spec.dtype for spec in graph.inputs + graph.outputs} == {promise.io}
    if promise.integer_only:
        assert graph.integer_op_fraction == 1.0
    sidecar = json.loads((folder / f"{name}.json").read_text())
    assert sidecar["sha256"] == content_hash(folder / f"{name}.tflite")
    assert sidecar["contract"]["preprocessing"]["name"] == "raw"
    assert sidecar["scheme"] == name


@pytest.mark.parametrize("name", names(training=True))
def test_schemes_that_train_record_what_training_did(trained_variants, shapes, name):
    request, variant = parse_request(name), read_sidecar(trained_variants / f"{name}.tflite")
    record = variant.training
    assert [(s.kind, s.sparsity, s.clusters) for s in record.stages] == [
        (s.kind, s.sparsity, s.clusters) for s in request.stages
    ]
    assert record.data == str(shapes / "train")
    assert (record.samples, record.validation, record.validation_samples) == (81, "split", 9)
    assert record.steps == sum(stage.steps for stage in record.stages) == len(record.stages) * 2 * (81 // 16)
    assert record.loss == "sparse_categorical_crossentropy"
    assert record.left_float == ()
    for stage in record.stages:
        assert [epoch.epoch for epoch in stage.history] == [1, 2]
        assert all(np.isfinite(e.loss) and 0 <= e.metric <= 1 and 0 <= e.val_metric <= 1 for e in stage.history)
        assert stage.history[-1].learning_rate < record.learning_rate / 10  # the cosine ends near zero
    assert record.rebuilt.max_abs_difference <= record.rebuilt.tolerance
    assert (record.annotated is not None) == (record.stages[-1].kind == "quantize")
    assert record.three_way.samples == 9
    assert record.three_way.agreement >= 8 / 9  # rounding may turn one that is on the edge
    sparsity, clusters = request.stages[-1].sparsity, request.stages[-1].clusters
    assert (variant.compression is not None) == (sparsity is not None or clusters is not None)
    if sparsity is not None:
        assert variant.compression.sparsity == pytest.approx(sparsity, abs=0.01)  # a whole number of weights
    if clusters is not None:
        assert variant.compression.clusters <= clusters
    assert (
        [row.layer for row in variant.compression.layers if row.compressed] == ["conv2"]
        if sparsity or clusters
        else True
    )


def test_integer_io_and_sizes(variants):
    sizes = {path.stem: path.stat().st_size for path in variants.glob("*.tflite")}
    assert sizes["int8"] < sizes["float16"] < sizes["float32"]
    graph = read_graph(variants / "int8-io-uint8.tflite")
    assert {spec.dtype for spec in graph.inputs + graph.outputs} == {"uint8"}
    image, _ = shape_arrays(3, seed=4)
    one, two = Model(variants / "int8-io-uint8.tflite"), Model(variants / "int8.tflite")
    assert one.run([image[:1]])[0] == pytest.approx(two.run([image[:1]])[0], abs=1 / 128)


def test_missing_calibration_data_is_an_error_that_says_how(models, tmp_path, cli):
    with pytest.raises(UsageError, match=r"(?s)int8, int16x8 need calibration data.*--calibration"):
        convert(models / "shapes.keras", schemes=["float32", "int8", "int16x8"], out=tmp_path)
    code, _, err = cli("convert", models / "shapes.keras", "--scheme", "int8", "--out", tmp_path)
    assert code == 2
    assert "--calibration" in err


def test_bad_calibration_values_name_the_sample(models, tmp_path):
    x = np.zeros((5, 12, 12, 1), np.float32)
    x[3, 0, 0, 0] = np.inf
    from tflitekit.core.errors import DataError

    with pytest.raises(DataError, match="'row 3' has NaN or infinite values in the input 'image'"):
        convert(models / "shapes.keras", schemes=["int8"], calibration={"x": x}, out=tmp_path)


def test_an_untrue_label_is_refused(variants):
    source = PreparedSource(
        kind="keras", loader="keras", parameters=1,
        inputs=read_graph(variants / "float32.tflite").inputs, outputs=read_graph(variants / "float32.tflite").outputs,
    )  # fmt: skip
    graph = read_graph(variants / "dynamic_range.tflite")
    with pytest.raises(ConversionError, match=r"promises integers only.*CONV_2D"):
        _check_promise(parse_request("int8"), Promise(weights="int8", integer_only=True), graph, source, False)
    with pytest.raises(ConversionError, match="promised uint8 for 'image'"):
        _check_promise(parse_request("int8"), Promise(io="uint8"), graph, source, False)


def test_requests():
    assert parse_request("int8").name == "int8"
    assert parse_request("int8:io=uint8").name == "int8-io-uint8"
    assert parse_request("int8:io=float32").name == "int8"
    for text, word in (
        ("int9", "no scheme 'int9'"),
        ("int8:oi=uint8", "no option 'oi'"),
        ("int8:io=int4", "float32 or int8 or uint8"),
        ("float16:io=int8", "Its options: engine="),
        ("float32:io=int8", "none"),
        ("pruned:sparsity=0", "sparsity 0 is out of range"),
        ("pruned:sparsity=1", "sparsity 1 is out of range"),
        ("pruned:sparsity=nan", "sparsity nan is out of range"),
        ("pruned_qat:sparsity=0.05", "at least 0.1 and less than 1"),  # the second stage would not know what to keep
        ("pruned_clustered_qat:sparsity=0.05", "at least 0.1 and less than 1"),
        ("clustered:clusters=1", "1 is not a valid number of clusters"),
        ("pruned_clustered_qat:clusters=2", "(?s)Zero is one of them.*from 3 to 256"),
        ("pruned:then=float16,io=int8", "io=int8 needs then=int8"),
        ("int8:engine=tflite_converter,rounding=gptq", "asks for TensorFlow's converter"),
    ):
        with pytest.raises(UsageError, match=word):
            parse_request(text)
    assert parse_request("clustered:clusters=2").name == "clustered-clusters-2"
    assert parse_request("pruned:sparsity=0.01").options["sparsity"] == 0.01


def test_one_rounding_for_all_schemes_that_have_it():
    names = [request.name for request in parse_requests(["float16", "int8", "dynamic_int4:rounding=nearest"], "gptq")]
    assert names == ["float16", "int8-rounding-gptq", "dynamic_int4"]
    assert [parse_request(text).calibrated for text in ("dynamic_range", "dynamic_range:rounding=gptq")] == [
        False,
        True,
    ]
    with pytest.raises(UsageError, match=r"(?s)No scheme of float16 has a choice of rounding.*dynamic_range, int8"):
        parse_requests(["float16"], "gptq")


def test_lists_of_schemes_on_the_command_line():
    from tflitekit.options.values import split_schemes

    assert split_schemes(["float32,int8:io=uint8,x=y", "float16"]) == ["float32", "int8:io=uint8,x=y", "float16"]
    assert split_schemes(["int8:io=uint8,float16"]) == ["int8:io=uint8", "float16"]


def test_schemes_document_themselves(cli):
    for scheme in available().values():
        assert scheme.summary.endswith(".")
        assert scheme.needs in ("nothing", "calibration", "training")
    code, out, _ = cli("schemes", "--json")
    assert code == 0
    listed = {entry["name"]: entry for entry in json.loads(out)}
    assert set(listed) == set(available())
    assert listed["int8"]["options"] == {
        "io": ["float32", "int8", "uint8"],
        "engine": ["auto", "tflite_converter", "litert_quantizer"],
        "rounding": ["nearest", "gptq"],
    }
    assert listed["pruned"]["options"]["sparsity"] == "float"


@pytest.fixture(scope="module")
def build_here(tmp_path_factory):
    """Returns a function that builds a variant of a model object in this process, and calibrates it on ``rows``."""

    def run(model, request, rows):
        folder = tmp_path_factory.mktemp("built")
        source = export_model(model, folder / "saved", batch=1, input_shapes={})
        data = open_dataset({source.inputs[0].name: rows}, need_labels=False)
        calibration = store_calibration(data, source.inputs, PRESETS["raw"], folder / "calibration", Progress())
        asked = parse_request(request)
        built = Variant.model_validate(
            make_variant(
                scheme=asked.scheme.name,
                options=asked.options,
                exported=str(folder / "saved"),
                source=source.model_dump(mode="json"),
                source_sha256="",
                calibration=calibration.model_dump(mode="json"),
                preprocessing=PRESETS["raw"].model_dump(mode="json"),
                labels=None,
                allow_select_tf_ops=False,
                out=str(folder),
                work=str(folder),
                key="0" * 64,
            )
        )
        return built.model_copy(update={"folder": folder})

    return run


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_a_cast_of_an_integer_input_is_no_float_computation(build_here, dtype):
    """The model declares integers, so that a CAST stands first; what computes is integer all the same."""
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(3)
    image = keras.Input((8, 8, 1), dtype=dtype, name="image")
    hidden = keras.layers.Conv2D(4, 3, activation="relu")(keras.layers.Rescaling(1 / 255)(image))
    model = keras.Model(image, keras.layers.Dense(3, name="scores")(keras.layers.Flatten()(hidden)))
    rows = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 1)).astype(dtype)
    whole = build_here(model, "int8", rows)
    assert whole.integer_op_fraction == 1.0
    assert any(f"'image' ({dtype})" in warning for warning in whole.warnings)
    expected = np.asarray(model(rows[:1]))
    assert Model(whole.path).run([rows[:1]])[0] == pytest.approx(expected, abs=0.05)  # steps of 1/256 of its range


def test_float_fallback_gives_integers_in_and_out_on_request(build_here):
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [keras.Input((8,), name="x"), keras.layers.Dense(8, name="first"), keras.layers.ELU(), keras.layers.Dense(2)]
    )
    rows = np.random.default_rng(0).normal(size=(16, 8)).astype(np.float32)
    mixed = build_here(model, "int8_float_fallback:io=uint8", rows)
    assert {spec.dtype for spec in (*mixed.contract.inputs, *mixed.contract.outputs)} == {"uint8"}
    assert 0 < mixed.integer_op_fraction < 1  # ELU has no integer kernel
    expected = np.asarray(model(rows[:1]))
    assert Model(mixed.path).run([rows[:1]])[0] == pytest.approx(expected, abs=0.1)


def test_each_scheme_of_a_keras_model_takes_its_engine_or_the_one_that_is_asked_for(models, shapes, tmp_path):
    wanted = ["int8", "int8:engine=litert_quantizer", "float16:engine=tflite_converter", "float16", "dynamic_int4"]
    options = {"schemes": wanted, "calibration": shapes / "train", "out": tmp_path}
    found = convert(models / "shapes.keras", **options).variants
    assert [v.error for v in found] == [None] * 5
    ours, theirs = (read_graph(v.path) for v in found[:2])
    assert found[1].name == "int8-engine-litert_quantizer"
    assert ours.integer_op_fraction == theirs.integer_op_fraction == 1
    assert found[0].sha256 != found[1].sha256
    assert [v.engine for v in found] == ["tflite_converter", "litert_quantizer"] * 2 + ["litert_quantizer"]
    assert [v.engine_why for v in found] == [
        "the default of the scheme", "asked for by engine=litert_quantizer", "asked for by engine=tflite_converter",
        "the default of the scheme", "the only engine of the scheme",
    ]  # fmt: skip
    assert (found[1].contract.inputs, found[1].contract.outputs) == (ours.inputs, ours.outputs)
    assert [one.min_runtime_version for one in map(read_graph, (found[2].path, found[3].path))] == ["1.15.0"] * 2
    assert [v.reused for v in convert(models / "shapes.keras", **options).variants] == [True] * 5


def test_a_file_of_the_other_engine_is_not_taken_for_the_default(models, tmp_path, monkeypatch):
    from tflitekit.engines import choice

    monkeypatch.setattr(choice, "BY_QUANTIZER", ())
    (before,) = convert(models / "two_inputs.keras", schemes=["float16"], out=tmp_path).variants
    monkeypatch.undo()
    (after,) = convert(models / "two_inputs.keras", schemes=["float16"], out=tmp_path).variants
    assert (before.reused, after.reused, before.name) == (False, False, after.name)
    assert after.engine == "litert_quantizer"
