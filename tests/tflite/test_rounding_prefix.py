"""Rounding goes on from activations on disk: the same result in time that grows with the depth, and nothing left behind."""

import numpy as np
import pytest
from tiny_network import Network

from tflitekit.core.lifetime import scratch
from tflitekit.engines.rounding import round_weights
from tflitekit.engines.rounding.editing import EditableModel
from tflitekit.engines.rounding.layers import find_layers
from tflitekit.engines.rounding.prefix import Prefix
from tflitekit.engines.rounding.starts import FromSamples


class Images:
    """Counts how often it is read, and may break off."""

    def __init__(self, *shapes, breaks_at=None):
        self.shapes, self.breaks_at, self.reads = shapes, breaks_at, 0

    def __iter__(self):
        self.reads += 1
        random = np.random.default_rng(1)
        for number, shape in enumerate(self.shapes):
            if number == self.breaks_at:
                raise OSError("the disk with the pictures is gone")
            yield {"input": random.normal(size=shape).astype(np.float32)}


def deep(*, open_size=False):
    """Blocks that are wide inside, with a way around each; the last has weights of the first, and the end reads the middle too."""
    net = Network(1, 8, 8, 4)
    ends, shared = [net.input], net.weights(12, 1, 1, 4)
    for block in range(4):
        wide = net.conv(ends[-1], f"wide{block}", 12, 1, weights=shared if block in (0, 3) else None)
        narrow = net.conv(net.depthwise(wide, f"inner{block}", 1), f"narrow{block}", 4, 1, activation="NONE")
        ends.append(net.join(narrow, ends[-1], f"sum{block}"))
    model = EditableModel(net.finish(net.conv(net.concatenate(ends[-1], ends[2], "both"), "last", 3)))
    for tensor in model.graph.tensors if open_size else []:
        if len(tensor.shape) == 4 and tensor.buffer == 0:
            tensor.shapeSignature = [1, -1, -1, tensor.shape[3]]
    return model.to_bytes()


LAYERS = 12  # of which each depends on those before


def left_behind():
    return [path for path in scratch().rglob("*") if path.is_file() and not path.name.startswith(".")]


def test_what_is_on_disk_changes_nothing_but_how_often_samples_are_read():
    network, before = deep(), left_behind()
    once, often = Images(*[(1, 8, 8, 4)] * 20), Images(*[(1, 8, 8, 4)] * 20)
    kept = round_weights(network, once, 4)
    again = round_weights(network, often, 4, most_disk_bytes=40_000)
    assert kept.content == again.content and kept.layers == again.layers
    assert len(kept.layers) == LAYERS == often.reads and once.reads == 1
    assert kept.notes() == ()
    assert again.notes() == (
        "Rounding took longer, because activations could not be kept on disk: those of 20 samples take 0.1 MB at one place, of "
        "0.0 MB that may be used (fewer samples take less).",
    )
    assert left_behind() == before


def test_no_section_is_much_longer_than_a_block(tmp_path):
    model = EditableModel(deep())
    groups = [[layer] for layer in find_layers(model)[0]]
    samples = FromSamples(Images((1, 8, 8, 4)), ["input"], model.graph.inputs)
    prefix = Prefix((model, model), groups, samples, tmp_path, places=8, threads=1, most_bytes=10**6)
    starts = []
    for number in range(len(groups)):
        prefix.observe(number)
        starts.append(prefix.start.position)
    behind = [group[0].uses[0].index - start for group, start in zip(groups, starts, strict=True)]
    assert starts == sorted(starts) and max(behind) <= 4  # a block has four operators
    assert len(list(tmp_path.iterdir())) == 1  # the last activations; those before are removed


def test_samples_of_unlike_sizes_are_read_again_and_it_is_said():
    images = Images((1, 8, 8, 4), (1, 10, 6, 4), (1, 8, 8, 4))
    done = round_weights(deep(open_size=True), images, 4)
    assert len(done.layers) == LAYERS == images.reads
    assert done.notes() == (
        "Rounding took longer, because activations could not be kept on disk: samples have them in unlike shapes.",
    )


def test_a_failure_leaves_nothing_on_disk():
    before = left_behind()
    with pytest.raises(OSError, match="pictures"):
        round_weights(deep(), Images(*[(1, 8, 8, 4)] * 30, breaks_at=25), 4)
    assert left_behind() == before
