"""Better rounding of weights: every kind of layer, on networks of random weights that the runtime runs."""

import weakref

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from tiny_network import Network

from tflitekit.core.errors import ConversionError, DataError, UsageError
from tflitekit.engines.rounding import check_deviation, measure_deviation, round_weights, weight_layers
from tflitekit.engines.rounding.editing import EditableModel
from tflitekit.engines.rounding.for_recipe import check_made
from tflitekit.engines.rounding.grid import nearest, round_weights_on_grid
from tflitekit.engines.rounding.layers import find_layers
from tflitekit.engines.rounding.stored import with_stored_weights
from tflitekit.engines.samples import Batches
from tflitekit.schemes import Recipe
from tflitekit.tflite.flatbuffer import Reader

KINDS = (
    ["CONV_2D"] * 6
    + ["DEPTHWISE_CONV_2D"] * 2
    + ["TRANSPOSE_CONV"] * 2
    + ["FULLY_CONNECTED"] * 2
    + ["BATCH_MATMUL"] * 2
)


def every_kind():
    """Branches, strides, groups, dilation, a depthwise multiplier, odd sizes, transposed convolutions, dense and matrix products."""
    net = Network(1, 9, 7, 4)
    first = net.conv(net.input, "first", 8)
    wide = net.depthwise(first, "wide", 2)
    left = net.conv(wide, "left", 12, 1, activation="NONE")
    right = net.conv(net.conv(first, "grouped", 12, groups=2), "dilated", 12, dilation=2, activation="NONE")
    sums = net.join(left, right, "sums")
    small = net.conv(net.concatenate(sums, wide, "both"), "strided", 6, stride=2, activation="RELU6")
    small = net.depthwise(net.conv(small, "valid", 6, padding="VALID"), "slow", 1, stride=2)
    large = net.transposed(net.transposed(small, "up", 5), "up_valid", 4, "VALID")
    flat = net.reshape(large, "flat", 1, int(np.prod(net.shape(large)[1:3])), 4)
    tokens = net.matmul(net.matmul(flat, "query", 6), "key", 5, transposed=True)
    return net.finish(net.dense(net.dense(tokens, "hidden", 7), "plain", 3, bias=False))


def images(*shape, count=24, seed=1):
    random = np.random.default_rng(seed)
    return [{"input": random.normal(size=shape).astype(np.float32) + 0.5} for _ in range(count)]


def outputs(content, samples):
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    [given] = interpreter.get_input_details()
    found = []
    for sample in samples:
        interpreter.set_tensor(given["index"], sample["input"])
        interpreter.invoke()
        found.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).copy())
    return np.stack(found)


def channels_of(content):
    """The weights of each layer, ``(output channels, inputs of each)``."""
    layers, _ = find_layers(EditableModel(content))
    return {layer.name: layer.matrix().transpose(0, 2, 1).reshape(-1, layer.matrix().shape[1]) for layer in layers}


def quantized(content, bits):
    """The file that the vendor's quantizer makes: dynamic range, with these bits by layer."""
    pytest.importorskip("litert_quantizer", reason="needs the vendor's quantizer")
    from litert_quantizer import qtyping, quantizer

    made = quantizer.Quantizer(content)
    for name, count in bits.items():
        weights = qtyping.TensorQuantizationConfig(num_bits=count, granularity=qtyping.QuantGranularity.CHANNELWISE)
        config = qtyping.OpQuantizationConfig(weight_tensor_config=weights, compute_precision="INTEGER")
        made.update_quantization_recipe(f"^{name}$|^{name};", "*", config, "min_max_uniform_quantize")
    return bytes(made.quantize().quantized_model)


def stored(content, layer):
    """The scales and integers of a layer's weights in a quantized file."""
    reader = Reader(content)
    main = reader.subgraphs[0]
    for i in range(main.OperatorsLength()):
        operator = main.Operators(i)
        if main.Tensors(operator.Outputs(0)).Name().decode() == layer.name:
            tensor = main.Tensors(operator.Inputs(1))
            data = reader.model.Buffers(tensor.Buffer()).DataAsNumpy().view(np.int8)
            if tensor.Type() == schema.TensorType.INT4:
                data = np.stack([(data << 4) >> 4, data >> 4], 1).reshape(-1)
            return tensor.Quantization().ScaleAsNumpy(), data
    raise KeyError(layer.name)


@pytest.fixture(scope="module")
def network():
    return every_kind()


def test_every_kind_of_layer_is_rounded_better_than_to_nearest(network):
    samples = images(1, 9, 7, 4)
    done = round_weights(network, samples, 4)
    assert done.left == ()
    assert sorted(layer.operator for layer in done.layers) == sorted(KINDS)
    assert [layer.name for layer in done.layers] == [layer.name for layer in weight_layers(network)]
    for layer in done.layers:
        assert 0 < layer.error <= layer.nearest_error, layer.name
    assert sum(layer.error < 0.9 * layer.nearest_error for layer in done.layers) >= 10


def test_outputs_of_unseen_samples_are_nearer_than_with_weights_to_nearest():
    net = Network(1, 8, 8, 3)
    hidden = net.conv(net.conv(net.conv(net.input, "first", 16), "middle", 16), "mixed", 16)
    network = net.finish(net.conv(hidden, "last", 4, activation="NONE"))
    samples, unseen = images(1, 8, 8, 3, count=64), images(1, 8, 8, 3, count=32, seed=2)
    done = round_weights(network, samples, 4)
    layers, model = find_layers(EditableModel(network))[0], EditableModel(network)
    for layer in layers:
        model.set_constant(layer.weights, layer.stored(nearest(layer.matrix(), 4).values))
    wanted = outputs(network, unseen)
    ours, plain = (np.square(outputs(each, unseen) - wanted).mean() for each in (done.content, model.to_bytes()))
    assert ours < 0.5 * plain


def test_each_channel_lies_on_its_grid_whose_end_is_its_largest_weight(network):
    done = round_weights(network, images(1, 9, 7, 4, count=4), {"first": 8, "wide": 8, "hidden": 4})
    assert {layer.name: layer.bits for layer in done.layers} == {"first": 8, "wide": 8, "hidden": 4}
    before, after = channels_of(network), channels_of(done.content)
    for layer in done.layers:
        integers = after.pop(layer.name) / np.float32(layer.scales)[:, None]
        np.testing.assert_allclose(integers, np.rint(integers), atol=1e-4)  # float32 has 7 digits, the grid 3
        assert (np.rint(np.abs(integers)).max(1) == 2 ** (layer.bits - 1) - 1).all()
    for name, kept in after.items():
        np.testing.assert_array_equal(kept, before[name])


def test_the_quantizer_keeps_scales_and_integers(network):
    wanted = {"first": 4, "left": 8, "wide": 8, "hidden": 4, "up": 8}
    done = round_weights(network, images(1, 9, 7, 4, count=8), wanted)
    file = quantized(done.content, wanted)
    layers = {layer.name: layer for layer in find_layers(EditableModel(done.content))[0]}
    for layer in done.layers:
        scales, integers = stored(file, layer)
        np.testing.assert_allclose(scales, layer.scales, rtol=1e-6)  # one division in float32
        axis = {"DEPTHWISE_CONV_2D": 3}.get(layer.operator, 0)
        weights = np.moveaxis(layers[layer.name].values, axis, -1)
        ours = np.moveaxis(np.rint(weights / np.float32(layer.scales)), -1, axis)
        np.testing.assert_array_equal(integers[: ours.size], ours.reshape(-1))
    [deviation] = measure_deviation(done.content, file, images(1, 9, 7, 4, seed=3))
    assert 0 < deviation.relative < 0.1  # what activations in int8 cost in five layers


def test_a_file_is_compared_with_its_own_weights_in_float(network):
    wanted = {"first": 4, "wide": 8, "up": 8, "hidden": 4, "key": 8}
    file = quantized(network, wanted)
    before, after = channels_of(network), channels_of(with_stored_weights(network, file))
    for name, count in wanted.items():
        steps = np.abs(before[name]).max(1, keepdims=True) / (2 ** (count - 1) - 1)
        assert 0 < (np.abs(after[name] - before[name]) / steps).max() <= 0.5001  # half a step, in float32
    np.testing.assert_array_equal(after["dilated"], before["dilated"])

    class Samples:
        def batches(self, batch):
            return iter(images(1, 9, 7, 4, count=4))

    dynamic, static = Recipe(weights="int4"), Recipe(weights="int4", activations="int8")
    assert check_made("int4", dynamic, network, file, Batches(Samples(), 1)) == ()
    # What wrong kernels would give: the same weights, and other values.
    wrong = EditableModel(file)
    for use in (use for layer in find_layers(wrong)[0] for use in layer.uses if use.bias is not None):
        wrong.set_constant(use.bias, np.full_like(wrong.constant(use.bias), 9.0))
    with pytest.raises(
        ConversionError, match=r"int4: the output .plain. is .* what the file's own rounded weights give"
    ):
        check_made("int4", dynamic, network, wrong.to_bytes(), Batches(Samples(), 1))
    with pytest.raises(ConversionError, match="the output 'plain' is"):
        check_made("int4", static, network, wrong.to_bytes(), Batches(Samples(), 1))


def test_it_is_gptq():
    """The published algorithm, by the inverse of the Hessian, rounds the same."""
    random = np.random.default_rng(5)
    rows = random.normal(size=(400, 70)) @ random.normal(size=(70, 70))
    hessian, weights = rows.T @ rows / 400, random.normal(size=(70, 9))
    grid = round_weights_on_grid(weights[None], hessian[None], 4, np.array([0.7]))
    [scales], order = grid.scales, np.argsort(-np.diag(hessian), kind="stable")
    upper = np.linalg.cholesky(np.linalg.inv(hessian[np.ix_(order, order)])).T
    left, published = weights[order].copy(), np.empty_like(weights)
    pinned = np.abs(weights).argmax(0)
    for k, row in enumerate(order):
        integers = np.clip(np.rint(left[k] / scales), -7, 7)
        integers = np.where(pinned == row, np.sign(weights[row]) * 7, integers)
        published[row] = integers
        left[k + 1 :] -= np.outer(upper[k, k + 1 :] / upper[k, k], left[k] - integers * scales)
    np.testing.assert_array_equal(grid.integers[0], published)


def test_without_correlation_it_is_rounding_to_nearest():
    weights = np.random.default_rng(3).normal(size=(2, 12, 5))
    grid = round_weights_on_grid(weights, np.broadcast_to(np.eye(12), (2, 12, 12)), 4, np.array([1.0]))
    np.testing.assert_array_equal(grid.integers, nearest(weights, 4).integers)


def test_a_channel_of_zeros_stays_zero():
    weights = np.zeros((1, 6, 2))
    weights[0, :, 1] = np.arange(6)
    grid = round_weights_on_grid(weights, np.eye(6)[None], 4, np.array([1.0, 0.5]))
    assert (grid.values[0, :, 0] == 0).all() and np.isfinite(grid.scales).all()


def test_weights_that_two_operators_read_are_rounded_for_both_and_biases_are_parted():
    net = Network(1, 6, 6, 8)
    weights, bias = net.weights(8, 3, 3, 8), net.weights(8)
    first = net.conv(net.input, "first", 8, weights=weights, bias=bias)
    second = net.conv(first, "second", 8, weights=weights, bias=bias)
    network = net.finish(net.conv(second, "third", 8, bias=bias))
    done = round_weights(network, images(1, 6, 6, 8), 4)
    assert [layer.name for layer in done.layers] == ["first", "third"]
    before, after = (find_layers(EditableModel(content)) for content in (network, done.content))
    parted = [EditableModel(done.content).constant(use.bias) for layer in after[0] for use in layer.uses]
    [shared] = {tuple(EditableModel(network).constant(use.bias)) for layer in before[0] for use in layer.uses}
    assert tuple(parted[0]) == tuple(parted[1]) == shared != tuple(parted[2])


def test_what_cannot_be_treated_is_left_and_said():
    net = Network(1, 4, 4, 6)
    table = net.weights(6, 6)
    flat = net.reshape(net.input, "flat", 1, 16, 6)
    tied = net.dense(flat, "tied", 6, weights=table)
    product = net.add("BATCH_MATMUL", [tied, table], [1, 16, 6], "product", options="BatchMatMulOptions")
    half = net.tensor("half", [6, 6], np.ones((6, 6)), "float16")
    widened = net.add("DEQUANTIZE", [half], [6, 6], "widened")
    network = net.finish(net.dense(net.dense(product, "good", 6), "from_half", 6, weights=widened))
    done = round_weights(network, images(1, 4, 4, 6), 4)
    assert [layer.name for layer in done.layers] == ["good"]
    assert {each.name: each.reason for each in done.left} == {
        "tied": "other kinds of operators read its weights too",
        "product": "other kinds of operators read its weights too",
        "from_half": "its weights are not a float32 constant",
    }
    assert round_weights(network, images(1, 4, 4, 6), {"good": 4}).left == ()


def test_memory_does_not_grow_with_the_samples():
    """Samples are forgotten: at no time are more alive than the threads' chunks."""
    net = Network(1, 4, 4, 3)
    network, alive, most = net.finish(net.conv(net.input, "only", 4)), weakref.WeakSet(), []

    class Stream:
        def __iter__(self):
            for sample in range(300):
                image = np.full((1, 4, 4, 3), sample % 7, np.float32).view(Tracked)
                alive.add(image)
                most.append(len(alive))
                yield {"input": image}

    class Tracked(np.ndarray):
        __hash__ = object.__hash__
        __eq__ = object.__eq__

    assert round_weights(network, Stream(), 4, threads=1).layers
    assert len(most) == 300 and max(most) < 60


def test_the_result_does_not_depend_on_the_threads(network):
    samples = images(1, 9, 7, 4)
    one, three = (round_weights(network, samples, {"first": 4, "wide": 8}, threads=n).content for n in (1, 3))
    assert one == three


def test_wrong_kernels_are_found(network):
    samples = images(1, 9, 7, 4, count=6)
    assert measure_deviation(network, network, samples)[0].relative == 0
    model = EditableModel(network)
    [layer] = [layer for layer in find_layers(model)[0] if layer.name == "key"]
    model.set_constant(layer.weights, layer.values[::-1])
    with pytest.raises(
        ConversionError, match=r"int4: the output 'plain' is \d+\.\d\d standard deviations away from what"
    ):
        check_deviation("int4", network, model.to_bytes(), samples)
    model.set_constant(layer.weights, np.full_like(layer.values, np.nan))
    with pytest.raises(ConversionError, match="int4: the output 'plain' is not a number, unlike what the file's own"):
        check_deviation("int4", network, model.to_bytes(), samples)


@pytest.mark.parametrize(
    ("samples", "bits", "error", "words"),
    [
        (images(1, 9, 7, 4, count=1), {"frist": 4}, UsageError, "The model has no layer 'frist' with weights"),
        ([{"image": np.zeros((1, 9, 7, 4))}], 4, DataError, "have no values for the input 'input'"),
        ([], 4, DataError, "There are no calibration samples"),
        (images(1, 9, 9, 4, count=1), 4, DataError, "takes"),
        (iter(images(1, 9, 7, 4, count=1)), 4, DataError, "not an iterator"),
    ],
)
def test_wrong_use_is_an_error(network, samples, bits, error, words):
    with pytest.raises(error, match=words):
        round_weights(network, samples, bits)


def test_layers_that_hardly_vary_are_rounded_too():
    """The sums are then no more exact than what they say, and need not be positive definite."""
    net = Network(1, 8, 8, 3)
    first = net.conv(net.input, "first", 16, padding="VALID")
    network = net.finish(net.conv(first, "second", 8, padding="VALID"))
    flat = [{"input": 1 + sample["input"] / 1000} for sample in images(1, 8, 8, 3)]
    done = round_weights(network, flat, 4)
    assert [layer.name for layer in done.layers] == ["first", "second"]
    assert all(0 <= layer.error <= layer.nearest_error for layer in done.layers)
