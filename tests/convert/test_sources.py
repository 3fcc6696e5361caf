"""Models of every kind that people have, and those that cannot be converted: each with its own clear error."""

import shutil

import numpy as np
import pytest

from tflitekit.conversion import convert
from tflitekit.core.errors import ModelError, UsageError
from tflitekit.core.user_code import load_module
from tflitekit.options.convert import ConvertOptions
from tflitekit.source.keras_export import export_model
from tflitekit.source.kinds.keras import load_model
from tflitekit.source.models import identify, prepare
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.runtime import Model


def load(models, tmp_path, name, **changes):
    """Prepares a model in this process, as the worker does."""
    found = identify(models / name)
    return prepare(str(found.path), kind=found.kind, folder=str(tmp_path / "saved"), options=changes, samples={})


@pytest.mark.parametrize(
    ("name", "loader"),
    [
        ("shapes.keras", "keras 3"),
        ("shapes.h5", "keras 3"),
        ("shapes_keras2.h5", "keras 3"),
        ("shapes_saved_model", "SavedModel"),
    ],
)
def test_every_kind_converts_and_computes_the_same(models, shapes, variants, tmp_path, name, loader):
    result = convert(models / name, schemes=["float32"], out=tmp_path)
    assert loader in result.source.loader
    (variant,) = result.variants
    assert variant.status == "ok", variant.error
    assert variant.contract.inputs[0].name == "image"
    assert variant.contract.inputs[0].shape == (1, 12, 12, 1)
    x = np.random.default_rng(0).uniform(0, 255, (1, 12, 12, 1)).astype(np.float32)
    expected = Model(variants / "float32.tflite").run([x])[0]
    assert Model(variant.path).run([x])[0] == pytest.approx(expected, abs=1e-5)


def test_keras2_file_that_keras3_refuses_falls_back_and_says_so(models, tmp_path):
    found = load(models, tmp_path, "depthwise_keras2.h5")
    assert found["loader"].startswith("tf_keras 2")
    assert "loaded with tf_keras" in found["notes"][0]


def test_model_object(tmp_path):
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(3, name="y")])
    result = convert(model, schemes=["float32", "dynamic_range"], out=tmp_path)
    assert [v.status for v in result.variants] == ["ok", "ok"]
    x = np.ones((1, 4), np.float32)
    assert Model(tmp_path / "float32.tflite").run([x])[0] == pytest.approx(model(x).numpy(), abs=1e-5)
    assert [v.reused for v in convert(model, schemes=["float32"], out=tmp_path).variants] == [True]
    model.set_weights([w + 1 for w in model.get_weights()])
    assert [v.reused for v in convert(model, schemes=["float32"], out=tmp_path).variants] == [False]


def test_several_inputs_and_outputs_keep_their_names(models, tmp_path):
    generator = np.random.default_rng(1)
    data = {"left": generator.normal(size=(40, 4)), "a-right": generator.normal(size=(40, 3))}
    result = convert(models / "two_inputs.keras", schemes=["float32", "int8"], calibration=data, out=tmp_path)
    assert [v.status for v in result.variants] == ["ok", "ok"], [v.error for v in result.variants]
    assert [spec.name for spec in result.source.outputs] == ["zeta", "alpha"]
    for variant in result.variants:
        assert {spec.name: spec.shape for spec in variant.contract.inputs} == {"left": (1, 4), "a-right": (1, 3)}
        assert [spec.name for spec in variant.contract.outputs] == ["zeta", "alpha"]  # the model's order
    keras = pytest.importorskip("keras")
    model = keras.saving.load_model(models / "two_inputs.keras")
    left, right = (data[n][:1].astype(np.float32) for n in ("left", "a-right"))
    zeta, alpha = (output.numpy() for output in model([left, right]))
    for name, tolerance in (("float32", 1e-5), ("int8", 0.15)):  # int8: three rounding steps of a few percent each
        tflite = Model(tmp_path / f"{name}.tflite")
        by_name = {"left": left, "a-right": right}
        found = dict(
            zip([s.name for s in tflite.outputs], tflite.run([by_name[s.name] for s in tflite.inputs]), strict=True)
        )
        assert found["zeta"] == pytest.approx(zeta, abs=tolerance)
        assert found["alpha"] == pytest.approx(alpha, abs=tolerance)


def test_integer_inputs_and_batch(models, tmp_path):
    result = convert(
        models / "tokens.keras",
        schemes=["float32", "dynamic_range", "int8"],
        calibration={"tokens": np.random.default_rng(0).integers(0, 50, (30, 20))},
        out=tmp_path,
        options=ConvertOptions(batch=4),
    )
    assert [v.status for v in result.variants] == ["ok"] * 3, [v.error for v in result.variants]
    for variant in result.variants:
        assert variant.contract.inputs[0].shape == (4, 20)
        assert variant.contract.inputs[0].dtype == "int32"


def test_missing_and_unknown_models(tmp_path):
    with pytest.raises(ModelError, match="There is no model"):
        identify(tmp_path / "none.keras")
    with pytest.raises(ModelError, match="not a SavedModel"):
        identify(tmp_path)
    for name, content, word in (
        ("a.pt", b"torch", "is not a kind of model"),
        ("a.h5", b"\0" * 50, "damaged or truncated"),
        ("a.keras", b"PK\3\4 nothing", "damaged"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match=word):
            identify(tmp_path / name)
    (tmp_path / "a.tflite").write_bytes(b"\0\0\0\0TFL3")
    assert identify(tmp_path / "a.tflite").kind == "tflite"
    with pytest.raises(ModelError, match="damaged or truncated"):
        convert(tmp_path / "a.tflite", schemes=["float16"], out=tmp_path / "o")


def test_corrupt_models_of_known_kinds(models, tmp_path):
    for name in ("shapes.keras", "shapes.h5"):
        content = (models / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(ModelError, match=r"damaged|cannot load|can load"):
            load(tmp_path, tmp_path, name)
    shutil.copytree(models / "shapes_saved_model", tmp_path / "sm")
    (tmp_path / "sm" / "saved_model.pb").write_bytes(b"garbage")
    with pytest.raises(ModelError, match="damaged or truncated"):
        load(tmp_path, tmp_path, "sm")


@pytest.mark.parametrize("name", ["lambda.keras", "lambda.h5"])
def test_lambda_needs_an_explicit_flag(models, tmp_path, name):
    with pytest.raises(ModelError, match=r"(?s)Lambda layers \(lambda.*runs that code.*--unsafe-load") as refused:
        load(models, tmp_path, name)
    assert refused.value.exit_code == 2
    assert load(models, tmp_path, name, unsafe_load=True)["outputs"][0]["shape"] == [1, 6]


def test_custom_layers_come_from_the_users_module(models, tmp_path):
    with pytest.raises(ModelError, match=r"(?s)uses 'Scale', which Keras does not know.*--custom-objects") as refused:
        load(models, tmp_path, "custom.keras")
    assert "config" not in str(refused.value)  # Keras' message goes on with pages of it
    (tmp_path / "my_layers.py").write_text(
        "import keras\n"
        "@keras.saving.register_keras_serializable('tests')\n"
        "class Scale(keras.layers.Layer):\n"
        "    def call(self, inputs):\n"
        "        return inputs * 2.0\n"
    )
    assert load(models, tmp_path, "custom.keras", custom_objects=str(tmp_path / "my_layers.py"))["loader"]
    (tmp_path / "my_layers.py").write_text(
        "import keras\nclass Scale(keras.layers.Layer):\n    def call(self, x):\n        return x * 2.0\n"
    )
    keras = pytest.importorskip("keras")
    keras.Sequential([keras.Input((7,)), load_module(str(tmp_path / "my_layers.py"), "test").Scale()]).save(
        tmp_path / "plain.keras"
    )
    assert load(tmp_path, tmp_path, "plain.keras", custom_objects=str(tmp_path / "my_layers.py"))[
        "loader"
    ]  # neither registered nor listed
    with pytest.raises(UsageError, match="'no_such_module' cannot be loaded"):
        load(models, tmp_path, "custom.keras", custom_objects="no_such_module")


@pytest.mark.parametrize("name", ["unbuilt.keras"])
def test_models_without_input_shapes(models, tmp_path, name):
    with pytest.raises(ModelError, match=r"(?s)no input shapes.*--input-shape"):
        load(models, tmp_path, name)
    assert load(models, tmp_path, name, input_shapes={"": (7,)})["inputs"][0]["shape"] == [1, 7]


def test_subclassed_model_object_without_shapes(tmp_path):
    keras = pytest.importorskip("keras")

    class Own(keras.Model):
        def call(self, inputs):
            return inputs * 2

    with pytest.raises(
        ModelError, match=r"(?s)subclassed or unbuilt.*write it as a Functional model of the same layers"
    ):
        convert(Own(), schemes=["float32"], out=tmp_path)


def test_something_that_is_no_model(tmp_path):
    with pytest.raises(ModelError, match="A list is not a model"):
        convert([1, 2], schemes=["float32"], out=tmp_path)


def test_weights_that_are_not_finite_name_the_layer(models, tmp_path):
    with pytest.raises(ModelError, match=r"NaN or infinite: .*conv1.* \(1 of 144\)"):
        load(models, tmp_path, "nan.keras")


def test_weights_without_a_model(models, tmp_path):
    with pytest.raises(ModelError, match="weights only"):
        load(models, tmp_path, "only.weights.h5")


def test_input_shape_and_signature_must_exist(models, tmp_path):
    with pytest.raises(UsageError, match=r"(?s)no input 'picture'.*image"):
        load(models, tmp_path, "shapes.keras", input_shapes={"picture": (12, 12, 1)})
    with pytest.raises(ModelError, match=r"(?s)no signature 'train'.*serving_default"):
        load(models, tmp_path, "shapes_saved_model", signature="train")


def test_select_tf_ops_are_refused_by_name_and_allowed_on_request(models, tmp_path):
    (refused,) = convert(models / "flex_saved_model", schemes=["float32"], out=tmp_path).variants
    assert refused.status == "failed"
    assert "MatrixInverse" in refused.error
    assert "--allow-select-tf-ops" in refused.error
    assert not (tmp_path / "float32.tflite").exists()
    (allowed,) = convert(
        models / "flex_saved_model", schemes=["float32"], out=tmp_path, options=ConvertOptions(allow_select_tf_ops=True)
    ).variants
    assert allowed.status == "ok", allowed.error
    assert not allowed.runnable
    assert read_graph(allowed.path).select_tf_ops == ("FlexMatrixInverse",)
    assert any("FlexMatrixInverse" in warning for warning in allowed.warnings)


def test_samples_do_not_depend_on_each_other_where_an_lstm_keeps_state(tmp_path):
    tf_keras = pytest.importorskip("tf_keras")
    tf_keras.utils.set_random_seed(3)
    model = tf_keras.Sequential([tf_keras.Input((10, 4)), tf_keras.layers.LSTM(8), tf_keras.layers.Dense(2)])
    samples = np.random.default_rng(0).normal(size=(6, 10, 4)).astype(np.float32)
    calibration = np.repeat(samples[:1], 20, axis=0)
    variant, integer = convert(
        model, schemes=["float32", "int8:io=int8"], calibration=calibration, out=tmp_path
    ).variants
    assert read_graph(variant.path).keeps_state  # the converter fuses the LSTM of Keras 2
    assert any("before each new sequence" in warning for warning in variant.warnings)
    found = Model(variant.path)
    outputs = np.concatenate([found.run([sample[None]])[0] for sample in samples])
    assert outputs == pytest.approx(np.asarray(model(samples)), abs=1e-5)  # float32 rounding of sums
    (scale,) = read_graph(integer.path).outputs[0].quantization.scale
    seen = np.append(outputs[0], 0)  # the calibrator saw this one only, over and over
    assert 255 * scale == pytest.approx(np.ptp(seen), rel=1e-3)


def test_swish_which_has_a_gradient_of_its_own_converts(tmp_path):
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(3)
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, activation="silu"), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.Dense(2)])
    (variant,) = convert(model, schemes=["float32"], out=tmp_path).variants
    samples = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype(np.float32)
    assert Model(variant.path).run([samples])[0] == pytest.approx(np.asarray(model(samples)), abs=1e-5)


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
def test_half_precision_is_converted_in_float32_with_the_same_weights(tmp_path, package):
    """Policies of the whole model and of single layers, models inside models, layers of one's own and Lambda layers."""
    keras, tf = pytest.importorskip(package), pytest.importorskip("tensorflow")
    layers = keras.layers

    class Double(layers.Layer):
        def call(self, inputs):
            return inputs * 2

    def build(policy, single):
        keras.utils.set_random_seed(3)
        keras.mixed_precision.set_global_policy(policy)
        inner = keras.Sequential([keras.Input((8,)), layers.Dense(4), layers.LayerNormalization()], name="inner")
        inner.compile("sgd", loss=lambda truth, output: truth - output)
        image = keras.Input((6, 8), name="image")
        hidden = layers.Lambda(lambda t: t + 1)(Double()(layers.Dense(8, dtype=single)(layers.Flatten()(image))))
        return keras.Model(image, layers.Dense(3, dtype="float32", name="scores")(inner(hidden)))

    samples = np.random.default_rng(0).normal(size=(1, 6, 8)).astype(np.float32)
    try:
        for policy, single in (("mixed_float16", "float32"), ("float32", "mixed_bfloat16")):
            half, plain = build(policy, single), build("float32", "float32")
            keras.mixed_precision.set_global_policy(policy)  # what the user's program has while it converts
            source = export_model(half, tmp_path / policy, batch=1, input_shapes={})
            assert keras.mixed_precision.global_policy().name == policy if package == "tf_keras" else True
            assert any("computes in mixed_" in note and "in float32" in note for note in source.notes)
            expected = np.asarray(plain(samples))
            (tmp_path / "float32.tflite").write_bytes(
                tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / policy)).convert()
            )
            assert Model(tmp_path / "float32.tflite").run([samples])[0] == pytest.approx(expected, abs=1e-5)
            assert np.abs(np.asarray(half(samples)) - expected).max() > 1e-5  # the model itself stays in half precision
    finally:
        keras.mixed_precision.set_global_policy("float32")


def test_half_precision_that_cannot_be_rebuilt_says_what_to_do(tmp_path):
    keras = pytest.importorskip("keras")

    class Own(keras.Model):
        def __init__(self, width):
            super().__init__(dtype="mixed_float16")
            self.dense = keras.layers.Dense(width, dtype="mixed_float16")

        def call(self, inputs):
            return self.dense(inputs)

    with pytest.raises(ModelError, match=r"(?s)computes in mixed_float16.*Own.*set_global_policy\('float32'\)"):
        export_model(Own(3), tmp_path, batch=1, input_shapes={"": (4,)})


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_lambdas_that_only_compile_was_given_are_no_layers(tmp_path, suffix):
    """What stands in a file and is not built: the losses of the model and of models inside it."""
    keras = pytest.importorskip("keras")
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)], name="inner")
    inner.compile("sgd", loss=lambda truth, output: truth - output)
    image = keras.Input((4,))
    model = keras.Model(image, keras.layers.Dense(2)(inner(image)))
    model.compile("sgd", loss=lambda truth, output: truth - output, metrics=[lambda truth, output: truth])
    model.save(tmp_path / f"model{suffix}")
    samples = np.ones((1, 4), np.float32)
    found = load_model(
        tmp_path / f"model{suffix}",
        kind=identify(tmp_path / f"model{suffix}").kind,
        unsafe_load=False,
        custom_objects=None,
    )
    assert np.asarray(found[0](samples)) == pytest.approx(np.asarray(model(samples)))
    keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda t: t, name="mine")]).save(
        tmp_path / f"real{suffix}"
    )
    with pytest.raises(ModelError, match=r"Lambda layers \(mine\)"):
        load(tmp_path, tmp_path, f"real{suffix}")
