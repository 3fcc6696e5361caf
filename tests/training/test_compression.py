"""Pruning and clustering while training: with the real tensorflow-model-optimization, converter and files."""

import numpy as np
import pytest

from tflitekit.core.errors import ConversionError, ModelError, UsageError
from tflitekit.tflite.weights import check_compression, measure_weights

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install '.[convert]'")

WEIGHTS = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "CONV_3D"}
HARMLESS = {"RESHAPE", "MEAN", "QUANTIZE", "DEQUANTIZE", "SOFTMAX", "ADD", "EXPAND_DIMS"}


@pytest.fixture(autouse=True)
def seeded():
    """The same weights and data whatever ran before."""
    import tf_keras

    tf_keras.utils.set_random_seed(5)  # its layers draw from a generator of its own once that was seeded


@pytest.fixture
def tf_keras():
    return pytest.importorskip("tf_keras")


def shake(model):
    """Gives BatchNormalization and biases values of their own: fresh ones are 1 and 0, which hides mistakes."""
    generator = np.random.default_rng(0)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.set_weights([generator.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
        elif getattr(layer, "bias", None) is not None:
            layer.bias.assign(generator.normal(size=layer.bias.shape))
    return model


def everything(tf_keras, *, words=True):
    """Several inputs and outputs, a shared layer, BatchNormalization, an operation, layers too small to count; with words a mask."""
    from tflitekit.training.model.operations import Operation

    layers = tf_keras.layers
    picture, vector = tf_keras.Input((8, 8, 4), name="picture"), tf_keras.Input((16,), name="vector")
    x = layers.Conv2D(32, 3, padding="same", name="conv")(picture)
    x = Operation("activation2:relu", name="relu")(layers.BatchNormalization(name="bn")(x))
    shared = layers.Conv2D(32, 3, padding="same", name="shared")
    x = layers.SeparableConv2D(64, 3, name="separable")(shared(shared(x)))
    inputs = [picture, vector]
    parts = [layers.GlobalAveragePooling2D(name="mean")(x), layers.Dense(64, name="dense")(vector)]
    if words:
        inputs.append(tf_keras.Input((6,), dtype="int32", name="words"))
        y = layers.Embedding(200, 8, mask_zero=True, name="table")(inputs[-1])
        parts.append(layers.GlobalAveragePooling1D(name="spoken")(layers.LayerNormalization(name="norm")(y)))
    joined = layers.Concatenate(name="joined")(parts)
    outputs = [layers.Dense(3, name="small")(joined), layers.Dense(40, name="big")(joined)]
    model = tf_keras.Model(inputs, outputs)
    model.output_names = ["first", "second"]
    return shake(model)


def picture_model(tf_keras):
    """A model that is quantized from end to end, with one layer of each kind that is compressed."""
    layers = tf_keras.layers
    model = tf_keras.Sequential([
        tf_keras.Input((8, 8, 4), name="picture"),
        layers.Conv2D(32, 3, padding="same", name="conv"), layers.BatchNormalization(name="bn"), layers.ReLU(name="relu"),
        layers.SeparableConv2D(64, 3, name="separable"), layers.Conv2DTranspose(16, 3, name="up"),
        layers.Reshape((-1, 16), name="row"), layers.Conv1D(32, 3, activation="relu", name="conv1d"),
        layers.Dense(64, name="each"), layers.GlobalAveragePooling1D(name="mean"),
        layers.Dense(64, use_bias=False, name="dense"), layers.BatchNormalization(name="dense_bn"), layers.ReLU(name="relu2"),
        layers.Dense(20, activation="softmax", name="last"),
    ])  # fmt: skip
    return shake(tf_keras.Model(model.inputs, model.outputs, name="net"))


def data_of(model, count=8):
    generator = np.random.default_rng(1)
    return [
        generator.integers(0, 200, (count, *tensor.shape[1:])).astype(np.int32) if tensor.dtype.is_integer
        else generator.normal(size=(count, *tensor.shape[1:])).astype(np.float32)
        for tensor in model.inputs
    ]  # fmt: skip


def train(model, steps, callbacks=(), *, fresh=True):
    inputs, generator = data_of(model), np.random.default_rng(2)
    targets = [generator.normal(size=(8, *tensor.shape[1:])).astype(np.float32) for tensor in model.outputs]
    if fresh:
        model.compile("adam", "mse")
    for callback in callbacks:
        callback.set_model(model)
        callback.on_train_begin()
    for _ in range(steps):
        model.train_on_batch(inputs if len(inputs) > 1 else inputs[0], targets if len(targets) > 1 else targets[0])


def export(model, folder):
    from tflitekit.source.keras_export import export_model

    export_model(model, folder / "saved", batch=1, input_shapes={})
    return folder / "saved"


def to_int8(converter, model):
    import tensorflow as tf

    inputs = data_of(model)
    converter.representative_dataset = lambda: ([array[i : i + 1] for array in inputs] for i in range(8))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]


def convert(model, path, *, calibrate):
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(export(model, path.parent)))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if calibrate:
        to_int8(converter, model)
    path.write_bytes(converter.convert())
    return path


def kernels(model, names):
    from tflitekit.training.compress.compressible import kernel_of

    return [np.asarray(kernel_of(model.get_layer(name))) for name in names]


def zeros(model, names):
    return [float(np.mean(kernel == 0)) for kernel in kernels(model, names)]


def names_of(model):
    return {layer.name: f"mine/{layer.name}" for layer in model.layers}


def mine(layers):
    return [f"mine/{name}" for name in layers]


# Wrapping and stripping ------------------------------------------------------------------------------------------------


def compress(model, kind):
    from tflitekit.training.compress.clustering import cluster
    from tflitekit.training.compress.pruning import prune

    return prune(model, sparsity=0.6, steps=4) if kind == "prune" else cluster(model, clusters=8, keep_sparsity=False)


@pytest.mark.parametrize("kind", ["prune", "cluster"])
def test_stripping_gives_the_trained_weights_in_the_given_models_order(tf_keras, kind):
    model = everything(tf_keras)
    before = model.get_weights()
    wrapped = compress(model, kind)
    assert set(wrapped.layers) == {"conv", "shared", "separable", "table", "dense", "big"}
    assert list(wrapped.model.output_names) == ["first", "second"]
    train(wrapped.model, 4, wrapped.callbacks)
    stripped = wrapped.strip()
    assert list(stripped.output_names) == ["first", "second"]
    assert [layer.name for layer in stripped.layers] == [layer.name for layer in model.layers]
    again = everything(tf_keras)
    again.set_weights(stripped.get_weights())
    trained = wrapped.model(data_of(model), training=False)
    for ours, theirs in zip(again(data_of(model), training=False), trained, strict=True):
        assert np.array_equal(ours, theirs)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))  # was not changed
    kept = stripped.get_weights()
    train(wrapped.model, 1, fresh=False)  # goes on, and leaves the stripped model alone
    assert all(np.array_equal(a, b) for a, b in zip(kept, stripped.get_weights(), strict=True))
    assert not np.array_equal(wrapped.strip().get_layer("dense").bias, stripped.get_layer("dense").bias)


@pytest.mark.parametrize("steps", [1, 30])
def test_the_sparsity_is_reached_at_the_ready_step_and_not_before(tf_keras, steps):
    from tflitekit.training.compress.pruning import prune

    model = everything(tf_keras, words=False)
    wrapped = prune(model, sparsity=0.75, steps=steps)
    assert wrapped.ready_step == {1: 1, 30: 18}[steps]
    half = wrapped.ready_step // 2
    train(wrapped.model, half, wrapped.callbacks)
    # half-way 1 - (1/2)^3 of it, also where a layer is called twice in a step; rounded to whole weights of 1,152 or more
    expected = pytest.approx(0.75 * 7 / 8 if half else 0.0, abs=1 / 1152)
    assert zeros(wrapped.strip(), wrapped.layers) == [expected] * len(wrapped.layers)
    train(wrapped.model, wrapped.ready_step - half, fresh=False)
    # every kernel here has a number of weights that 4 divides
    assert zeros(wrapped.strip(), wrapped.layers) == [0.75] * len(wrapped.layers)


def test_a_killed_pruning_goes_on_where_it_was(tf_keras):
    from tflitekit.training.compress.pruning import prune

    def start():
        model = everything(tf_keras, words=False)
        return prune(model, sparsity=0.75, steps=20)

    whole = start()
    train(whole.model, 5, whole.callbacks)
    weights, optimizer = whole.model.get_weights(), [v.numpy() for v in whole.model.optimizer.variables]
    train(whole.model, 7, fresh=False)
    tf_keras.utils.set_random_seed(6)
    second = start()
    second.model.compile("adam", "mse")
    second.model.set_weights(weights)
    second.model.optimizer.build(second.model.trainable_variables)
    for variable, value in zip(second.model.optimizer.variables, optimizer, strict=True):
        variable.assign(value)
    train(second.model, 7, second.callbacks, fresh=False)
    for ours, theirs in zip(second.strip().get_weights(), whole.strip().get_weights(), strict=True):
        # Sums of several threads are not in the same order each time; a mask of another step would differ by far more.
        assert ours == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize("keep", [pytest.param(False, marks=pytest.mark.thorough), True])
def test_clusters_are_the_same_each_time_and_keep_zeros(tf_keras, keep):
    import tensorflow as tf

    from tflitekit.training.compress.clustering import cluster
    from tflitekit.training.compress.compressible import kernel_of

    model = everything(tf_keras, words=False)
    kernel = kernel_of(model.get_layer("shared"))
    kernel.assign(tf.where(tf.abs(kernel) < 0.03, 0.0, kernel))
    found = []
    for _ in range(2):
        wrapped = cluster(model, clusters=8, keep_sparsity=keep)
        train(wrapped.model, 3)
        found.append(wrapped.strip())
    first, second = (kernels(each, wrapped.layers) for each in found)
    assert all(a == pytest.approx(b, abs=1e-5) for a, b in zip(first, second, strict=True))  # threads sum as they like
    assert max(len(np.unique(each)) for each in first) == 8
    if keep:
        assert np.all(first[wrapped.layers.index("shared")][kernel.numpy() == 0] == 0)


def test_clusters_start_at_the_means_of_their_weights(tf_keras):
    from tflitekit.training.compress.clustering import cluster

    model = everything(tf_keras)
    (before,), (after,) = (
        kernels(m, ["big"]) for m in (model, cluster(model, clusters=8, keep_sparsity=False).strip())
    )
    # Uniform weights in 8 equal parts of width d deviate by d / sqrt(12) on average; k-means++ alone gives 1.3 times that.
    width = (before.max() - before.min()) / 8
    assert np.sqrt(np.mean((before - after) ** 2)) == pytest.approx(width / np.sqrt(12), rel=0.1)


def test_what_cannot_be_compressed_is_refused(tf_keras):
    from tflitekit.training.compress.clustering import cluster
    from tflitekit.training.compress.pruning import prune

    small = tf_keras.Sequential([tf_keras.Input((4,)), tf_keras.layers.Dense(4)], name="tiny")
    with pytest.raises(ModelError, match="'tiny' has no layer to compress"):
        prune(small, sparsity=0.5, steps=3)
    model = everything(tf_keras)
    with pytest.raises(UsageError, match="sparsity 1"):
        prune(model, sparsity=1.0, steps=3)
    for clusters, keep in ((1, False), (2, True), (257, False)):
        with pytest.raises(UsageError, match=f"{clusters} is not a valid number of clusters"):
            cluster(model, clusters=clusters, keep_sparsity=keep)


# Quantized after training ----------------------------------------------------------------------------------------------


def test_a_pruned_model_is_as_sparse_in_int8(tf_keras, tmp_path):
    from tflitekit.training.compress.pruning import prune

    model = picture_model(tf_keras)
    wrapped = prune(model, sparsity=0.75, steps=2)
    train(wrapped.model, 2, wrapped.callbacks)
    file = convert(wrapped.strip(), tmp_path / "pruned.tflite", calibrate=True)
    found = measure_weights(file, layers=names_of(model), compressed=mine(wrapped.layers), target_sparsity=0.75)
    check_compression(found, "pruned")
    rows = {row.layer: row for row in found.layers if row.compressed}
    assert sorted(rows) == sorted(mine(wrapped.layers))
    assert rows["mine/conv"].weights == 3 * 3 * 4 * 32
    # rounding to int8 makes some more zeros, never fewer
    assert 0.75 <= found.sparsity < 0.8
    left_alone = [row.layer for row in found.layers if not row.compressed]
    assert left_alone == ["mine/separable"]  # its depthwise kernel
    with pytest.raises(ConversionError, match="'mine/conv'") as caught:
        check_compression(found.model_copy(update={"target_sparsity": 0.9}), "pruned")
    assert "90.0%" in caught.value.what


@pytest.fixture(scope="module")
def clustered(tmp_path_factory):
    """A model as it was, the same when it is clustered, and that as a SavedModel."""
    import tf_keras

    from tflitekit.training.compress.clustering import cluster

    tf_keras.utils.set_random_seed(5)
    model = picture_model(tf_keras)
    wrapped = cluster(model, clusters=16, keep_sparsity=False)
    train(wrapped.model, 2)
    return model, wrapped, export(wrapped.strip(), tmp_path_factory.mktemp("clustered"))


@pytest.mark.parametrize("scheme", ["float32", "float16", "int8"])
def test_a_clustered_model_has_few_values_in_each_channel(clustered, tmp_path, scheme):
    import tensorflow as tf

    model, wrapped, saved = clustered
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved))
    if scheme != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if scheme == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if scheme == "int8":
        to_int8(converter, model)
    path = tmp_path / "clustered.tflite"
    path.write_bytes(converter.convert())
    found = measure_weights(path, layers=names_of(model), compressed=mine(wrapped.layers), target_clusters=16)
    check_compression(found, "clustered")
    assert 14 <= found.clusters <= 16
    with pytest.raises(ConversionError, match="distinct weights in a channel") as caught:
        check_compression(found.model_copy(update={"target_clusters": 8}), "clustered")
    assert "'mine/" in caught.value.what


def test_a_dense_layer_behind_a_normalization_is_not_clustered(tf_keras, tmp_path):
    """The converter multiplies its weights by the factors of the normalization."""
    from tflitekit.training.compress.clustering import cluster

    layers = tf_keras.layers
    model = tf_keras.Sequential([
        tf_keras.Input((32,)), layers.Dense(48, activation="relu", name="first"), layers.BatchNormalization(name="bn"),
        layers.Dropout(0.1), layers.Dense(48, activation="relu", name="second"), layers.Dense(32, name="third"),
    ])  # fmt: skip
    model = shake(tf_keras.Model(model.inputs, model.outputs))
    wrapped = cluster(model, clusters=8, keep_sparsity=False)
    assert wrapped.layers == ("first", "third")
    file = convert(wrapped.strip(), tmp_path / "m.tflite", calibrate=True)
    found = measure_weights(file, layers=names_of(model), compressed=mine(wrapped.layers), target_clusters=8)
    check_compression(found, "clustered")


def test_weights_that_are_not_found_are_an_error(tf_keras, tmp_path):
    model = picture_model(tf_keras)
    file = convert(model, tmp_path / "m.tflite", calibrate=True)
    with pytest.raises(ConversionError, match=r"'gone' were not found in m\.tflite"):
        measure_weights(file, layers=["conv", "gone"], compressed=["conv", "gone"])


# Quantized while training ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [*(pytest.param(kind, marks=pytest.mark.thorough) for kind in ("pruned", "clustered")), "pruned and clustered"],
)
def test_training_for_int8_keeps_zeros_and_clusters(tf_keras, tmp_path, kind):
    from tflitekit.tflite.graph import read_graph
    from tflitekit.training.compress.clustering import cluster
    from tflitekit.training.compress.pruning import prune
    from tflitekit.training.quantize.annotate import annotate_model, quantize

    model = compressed = picture_model(tf_keras)
    targets = {}
    if "pruned" in kind:
        wrapped = prune(model, sparsity=0.5, steps=2)
        train(wrapped.model, 2, wrapped.callbacks)
        compressed, targets["target_sparsity"] = wrapped.strip(), 0.5
    if "clustered" in kind:
        wrapped = cluster(compressed, clusters=16, keep_sparsity="pruned" in kind)
        train(wrapped.model, 2)
        compressed, targets["target_clusters"] = wrapped.strip(), 16
    annotated = annotate_model(
        compressed,
        paths=names_of(model),
        keep_sparsity="pruned" in kind,
        keep_clusters=targets.get("target_clusters"),
    )
    quantized = quantize(annotated.model)
    before = kernels_of_quantized(quantized)
    train(quantized, 3)
    assert all(not np.array_equal(a, b) for a, b in zip(before, kernels_of_quantized(quantized), strict=True))
    file = convert(quantized, tmp_path / "qat.tflite", calibrate=False)
    found = measure_weights(file, layers=annotated.origins, compressed=mine(wrapped.layers), **targets)
    check_compression(found, kind)
    if kind == "pruned":
        assert found.clusters > 50  # they are free
    if kind == "clustered":
        assert found.sparsity < 0.3
    graph = read_graph(file)
    assert graph.integer_op_fraction == 1.0
    assert {op.name for op in graph.ops} <= WEIGHTS | HARMLESS  # nothing of the masks and clusters is left

    restored = quantize(annotated.model)
    restored.set_weights(quantized.get_weights())
    (x,) = data_of(quantized)
    assert np.array_equal(restored(x, training=False), quantized(x, training=False))


def kernels_of_quantized(model):
    return [kernel.numpy() for layer in model.layers for kernel, _, _ in getattr(layer, "_weight_vars", ())]


@pytest.mark.parametrize("keep", [True, False])
def test_without_being_asked_nothing_is_kept(tf_keras, keep):
    from tflitekit.training.compress.compressible import kernel_of
    from tflitekit.training.quantize.annotate import annotate_model, quantize

    model = picture_model(tf_keras)
    kernel = kernel_of(model.get_layer("dense"))
    kernel.assign(np.where(np.arange(64) % 2, 0.0, kernel))
    quantized = quantize(annotate_model(model, keep_sparsity=keep).model)
    patterns = [weight.name for weight in quantized.weights if "_mask" in weight.name]
    assert patterns == (["quant_dense/kernel_mask:0"] if keep else [])


def test_a_compressed_layer_that_stays_float_is_not_trained_further(tf_keras):
    from tflitekit.training.compress.compressible import kernel_of
    from tflitekit.training.quantize.annotate import annotate_model, quantize

    model = everything(tf_keras)
    table = kernel_of(model.get_layer("table"))
    table.assign(np.where(np.arange(8) % 2, 0.0, table))
    quantized = quantize(annotate_model(model, keep_sparsity=True).model)
    before = table.numpy()
    train(quantized, 2)
    assert np.array_equal(quantized.get_layer("table").embeddings, before)
    assert quantized.get_layer("norm").trainable
