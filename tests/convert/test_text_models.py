"""Models that take text: a lookup table beside numbers, from the Keras file to every verb that reads the file."""

import numpy as np
import pytest

import tflitekit as tk
from tflitekit.bundling import bundle
from tflitekit.core.errors import BundleError, ModelError
from tflitekit.data.dataset import InputPipeline, open_dataset
from tflitekit.data.preprocessing import PRESETS
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.runtime import Model

CITIES = ["Köln", "Łódź", "São Paulo", "elsewhere"]


@pytest.fixture(scope="module")
def cities(tmp_path_factory):
    """A Keras model of a city and two numbers, its data with its answers as labels, and what became of it."""
    keras, tf = pytest.importorskip("keras"), pytest.importorskip("tensorflow")
    keras.utils.set_random_seed(3)
    folder = tmp_path_factory.mktemp("cities")
    city, numbers = keras.Input((1,), dtype="string", name="city"), keras.Input((2,), name="numbers")
    lookup = keras.layers.StringLookup(vocabulary=CITIES[:3], output_mode="one_hot")
    hidden = keras.layers.Concatenate()([lookup(city), numbers])
    model = keras.Model({"city": city, "numbers": numbers}, keras.layers.Dense(3, activation="softmax")(hidden))
    model.save(folder / "cities.keras")
    generator = np.random.default_rng(0)
    x = {"city": generator.choice(CITIES, (40, 1)), "numbers": generator.normal(size=(40, 2)).astype(np.float32)}
    expected = np.asarray(model({name: tf.constant(values) for name, values in x.items()}))
    np.savez(folder / "data.npz", **x, y=expected.argmax(axis=1))
    result = tk.convert(
        folder / "cities.keras",
        schemes=["float32", "int8"],
        calibration=str(folder / "data.npz"),
        out=folder / "build",
    )
    return folder, expected, result


def test_a_lookup_table_becomes_operators_of_the_runtime(cities):
    folder, expected, result = cities
    assert [variant.status for variant in result.variants] == ["ok", "ok"]
    graph = read_graph(folder / "build" / "float32.tflite")
    assert not graph.select_tf_ops
    assert {spec.name: spec.dtype for spec in graph.inputs} == {"city": "string", "numbers": "float32"}
    model = Model(folder / "build" / "float32.tflite")
    pipeline = InputPipeline(model.inputs, PRESETS["raw"])
    data = open_dataset(str(folder / "data.npz"))
    outputs = [model.run([a[None] for a in pipeline.prepare(sample.read(), sample.key)])[0][0] for sample in data]
    assert np.array(outputs) == pytest.approx(expected, abs=1e-6)


def test_verbs_take_a_file_with_text(cities):
    folder, *_ = cities
    files = [folder / "build" / "float32.tflite", folder / "build" / "int8.tflite"]
    rows = tk.evaluate(files, data=str(folder / "data.npz")).variants
    assert rows[0].accuracy.value == 1.0
    assert rows[1].accuracy.value > 0.8  # eight bits of a softmax over three classes
    assert tk.benchmark(files[:1], runs=2).variants[0].latency is not None
    with pytest.raises(BundleError, match=r"'float32' has text in city, which a bundle cannot hold"):
        bundle(files[:1], data=str(folder / "data.npz"), out=folder / "bundle")
    with pytest.raises(ModelError, match=r"takes text \(city\), and training here takes numbers"):
        tk.preflight(folder / "cities.keras")
