"""Keras models and SavedModels: the float file is compared with the original before anything is quantized."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import DATA

from tflitekit.conversion import convert
from tflitekit.core.errors import ModelError
from tflitekit.source.few_samples import FewSamples
from tflitekit.source.keras_export import export_model
from tflitekit.source.models import identify, prepare
from tflitekit.source.prepared import Exported, PreparedSource

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")


def exported(model, folder):
    return export_model(model, folder, batch=1, input_shapes={}, samples=FewSamples())


def reference(folder):
    with np.load(Exported(folder).reference) as arrays:
        return dict(arrays)


def test_the_file_is_compared_on_the_users_samples_and_the_proof_kept_for_later_runs(tmp_path):
    rows = np.random.default_rng(0).integers(0, 255, (12, 12, 12, 1)).astype(np.uint8)
    results = [
        convert(DATA / "models" / "shapes.keras", out=tmp_path, schemes=schemes, calibration={"x": rows})
        for schemes in (["int8"], ["int8", "dynamic_range"])
    ]
    proof = results[0].source.proof
    assert (proof.samples, proof.origin, proof.output) == (4, "calibration", "shape")
    assert 0 < proof.relative < 1e-5  # the same sums in another order
    assert proof.original.startswith("keras 3")
    assert results[1].source.proof == proof
    assert [variant.proof for variant in results[1].variants] == [proof, proof]
    assert sorted(path.name for path in tmp_path.glob("*.tflite")) == ["dynamic_range.tflite", "int8.tflite"]


@pytest.mark.parametrize(
    "name", ["shapes_keras2.h5", "shapes_saved_model", "two_inputs.keras", "tokens.keras", "detector.keras"]
)
def test_the_original_is_run_whatever_it_takes(name, tmp_path):
    found = identify(DATA / "models" / name)
    source = PreparedSource(**prepare(str(found.path), kind=found.kind, folder=str(tmp_path), options={}, samples={}))
    arrays = reference(tmp_path)
    assert source.proof is None and source.compared_on == "random"
    for place, spec in enumerate(source.inputs):
        assert arrays[f"0/in/{place}"].shape == spec.shape
    for place, spec in enumerate(source.outputs):
        assert arrays[f"0/out/{place}"].shape == spec.shape


class Twofold(keras.layers.Layer):
    """Computes something else when it is exported than when it is called."""

    def call(self, inputs):
        return inputs * (2.0 if tf.executing_eagerly() else 3.0)


class Noise(keras.layers.Layer):
    """Draws its output, as the sampling of a variational autoencoder does."""

    def call(self, inputs):
        return inputs + tf.random.normal(tf.shape(inputs))


class SeededNoise(keras.layers.Layer):
    """The same, by a generator that keeps its state in a variable."""

    def call(self, inputs):
        return inputs + keras.random.normal(keras.ops.shape(inputs))


def around(layer):
    inputs = keras.Input((4,), name="values")
    return keras.Model(inputs, layer(inputs))


def test_nothing_is_quantized_of_a_model_that_is_exported_as_another(tmp_path):
    with pytest.raises(ModelError) as error:
        convert(around(Twofold(name="twofold")), out=tmp_path, schemes=["float16"])
    assert "on 4 random samples, 'twofold' differs by 0.5 of its largest value" in error.value.what
    assert not list(tmp_path.glob("*.tflite"))


def test_a_model_that_draws_random_numbers_is_not_compared(tmp_path):
    (variant,) = convert(
        around(Noise()),
        out=tmp_path,
        schemes=["float32"],
    ).variants
    assert "differently each time" in str(variant.proof)


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
def test_each_sample_begins_at_the_initial_state_and_the_model_keeps_its_own(package, tmp_path):
    layers = pytest.importorskip(package).layers
    model = pytest.importorskip(package).Sequential([layers.Input(batch_shape=(1, 5, 3)), layers.GRU(4, stateful=True)])
    assert exported(model, tmp_path).proof is None
    arrays = reference(tmp_path)
    for sample in (3, 0):
        expected = arrays[f"{sample}/out/0"]
        assert np.asarray(model(arrays[f"{sample}/in/0"])) == pytest.approx(expected, abs=1e-6)
        model.reset_states() if package == "tf_keras" else model.layers[0].reset_state()


def test_what_keeps_the_state_of_a_random_generator_can_be_exported(tmp_path):
    assert [spec.name for spec in exported(around(SeededNoise(name="noisy")), tmp_path).outputs] == ["noisy"]


def test_a_saved_model_with_state_is_compared_from_its_beginning(tmp_path):
    layers = keras.layers
    gru = layers.GRU(4, stateful=True, unroll=True)
    keras.Sequential([layers.Input(batch_shape=(1, 5, 3)), gru]).export(tmp_path / "saved", verbose=False)
    source = prepare(str(tmp_path / "saved"), kind="saved_model", folder=str(tmp_path / "out"), options={}, samples={})
    assert source["proof"] is None
    loaded = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    arrays = reference(tmp_path / "out")
    (found,) = loaded(tf.constant(arrays["0/in/0"])).values()
    assert np.asarray(found) == pytest.approx(arrays["0/out/0"], abs=1e-6)  # float32 rounding
