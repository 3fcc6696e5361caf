"""Along which axis the columns of an output lie: networks whose channels give their own numbers tell the right answer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_network import Network

from tflitekit.tflite.columns import column_axis
from tflitekit.tflite.graph import parse_graph
from tflitekit.tflite.runtime import Model


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((1, 10), 1), ((1,), None), ((1, 1), None), ((1, 8400, 84), 2), ((1, 84, 8400), 1), ((1, 1, 1000), 2),
        ((1, 512, 512, 3), 3), ((1, 3, 512, 640), 1), ((1, 7, 7, 30), 3), ((1, 20, -1), None), ((-1, -1, 4), 2),
    ],
)  # fmt: skip
def test_parts_lie_along_the_last_axis_or_where_channels_come_first(shape, axis):
    assert column_axis(shape) == axis


def numbered(net, source, name, channels):
    """A convolution whose channel i gives i at every place."""
    weights, bias = np.zeros((channels, 1, 1, net.shape(source)[-1])), np.arange(channels)
    return net.conv(
        source, name, channels, 1, weights=net.tensor(f"{name}/w", weights.shape, weights),
        bias=net.tensor(f"{name}/b", (channels,), bias), activation="NONE",
    )  # fmt: skip


@st.composite
def moved(draw):
    """A shape, and how it is moved: orders of the axes, and which two neighbors become one, never the channels."""
    shape = [draw(st.integers(2, 5)) for _ in range(3)]
    kept, steps = len(shape), []
    channels, sizes = 3, [1, *shape]
    for _ in range(draw(st.integers(0, 4))):
        if kept > 1 and draw(st.booleans()):
            able = [axis for axis in range(1, kept) if channels not in (axis, axis + 1)]
            if able:
                axis = draw(st.sampled_from(able))
                sizes[axis : axis + 2] = [sizes[axis] * sizes[axis + 1]]
                channels, kept = channels - (channels > axis), kept - 1
                steps.append(("reshape", tuple(sizes)))
            continue
        order = [0, *draw(st.permutations(range(1, kept + 1)))]
        sizes, channels = [sizes[axis] for axis in order], order.index(channels)
        steps.append(("transpose", tuple(order)))
    return shape, steps, channels


@settings(max_examples=60)
@given(moved())
def test_the_channels_of_a_layer_are_followed_wherever_they_are_moved(tmp_path_factory, case):
    (height, width, channels), steps, axis = case
    net = Network(1, height, width, 2)
    now = numbered(net, net.input, "layer", channels)
    for number, (kind, how) in enumerate(steps):
        now = getattr(net, kind)(now, f"{kind}{number}", *how)
    content = net.finish(net.add("LOGISTIC", [now], net.shape(now), "scores"))
    assert parse_graph(content, "moved").column_axes == (axis,)
    path = tmp_path_factory.mktemp("moved") / "moved.tflite"
    path.write_bytes(content)
    [found] = Model(path).run([np.zeros((1, height, width, 2), np.float32)])
    rows = np.moveaxis(found, axis, -1).reshape(-1, channels)
    np.testing.assert_allclose(rows, np.broadcast_to(1 / (1 + np.exp(-np.arange(channels))), rows.shape), rtol=1e-3)


def heads(first, *, side=3, levels=1):
    """A detector's head of 4 and 10 columns with a few candidates, which are joined before or after they are turned."""
    net = Network(1, side, side, 2)
    found = []
    for level in range(levels):
        parts = [numbered(net, net.input, f"{name}{level}", count) for name, count in (("boxes", 4), ("scores", 10))]
        rows = [net.reshape(part, f"rows{level}{i}", 1, side**2, net.shape(part)[-1]) for i, part in enumerate(parts)]
        if first:
            rows = [net.transpose(row, f"turned{level}{i}", 0, 2, 1) for i, row in enumerate(rows)]
        found.append(net.concatenate(*rows, f"level{level}", axis=1 if first else 2))
    return net.finish(net.concatenate(*found, "all", axis=2 if first else 1) if levels > 1 else found[0])


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("side", [2, 3, 12])
@pytest.mark.parametrize(("first", "axis"), [(False, 2), (True, 1)])
def test_columns_of_a_detector_are_told_whatever_the_number_of_candidates(first, axis, side, levels):
    graph = parse_graph(heads(first, side=side, levels=levels), "detector")
    assert sorted(graph.outputs[0].shape[1:]) == sorted([14, levels * side**2])
    assert graph.column_axes == (axis,)


def test_columns_of_other_heads():
    """Anchors beside the places, a map with channels first, means over places, and several outputs at once."""
    net = Network(1, 4, 4, 2)
    anchors = net.reshape(numbered(net, net.input, "anchors", 24), "of_anchors", 1, 96, 4)
    map_first = net.transpose(numbered(net, net.input, "map", 3), "map_first", 0, 3, 1, 2)
    axes = net.tensor("axes", [2], [1, 2], "int32")
    mean = net.add("MEAN", [numbered(net, net.input, "embedded", 8), axes], [1, 8], "mean", options="ReducerOptions")
    content = net.finish(anchors, map_first, mean, net.dense(mean, "classes", 5))
    assert parse_graph(content, "heads").column_axes == (2, 1, 1, 1)


def test_where_layers_leave_no_trace_the_shape_decides():
    net = Network(1, 6)
    table = net.reshape(net.dense(net.input, "table", 4 * 90), "of_rows", 1, 4, 90)
    assert parse_graph(net.finish(table, net.input), "table").column_axes == (1, 1)
