"""The error along the network: each tensor of a quantized file beside that of its float original, on the same samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tflitekit.core.progress import Progress
from tflitekit.data.dataset import Dataset, InputPipeline, Raw, Sample, SkippedSamples, UnreadableSampleError
from tflitekit.data.parallel import process_chunks
from tflitekit.data.preprocessing import Preprocessing
from tflitekit.explanation.pairs import Pair
from tflitekit.explanation.sums import TensorSums, compared, merged
from tflitekit.tflite.runtime import Model, dequantize

__all__ = ["compare_along"]

_CHUNK = 4


def compare_along(
    files: tuple[Path, Path],
    pairs: Sequence[Pair],
    dataset: Dataset,
    preprocessing: tuple[Preprocessing, Preprocessing],
    *,
    jobs: int,
    progress: Progress,
    skipped: SkippedSamples,
) -> list[TensorSums]:
    """Runs two files on all samples and compares them tensor by tensor.

    The runtime's own kernels compute, without delegates: what a delegate fuses has no tensors to look at.

    Args:
        files: The float file and the quantized one; the latter twice where there is no float one.
        preprocessing: Of each of them.
        skipped: Takes the samples that cannot be read.

    Returns:
        The sums, in the order of ``pairs``.
    """
    sums: list[TensorSums] = []
    early: dict[int, list[TensorSums]] = {}
    due = 0  # sums are added in the order of the samples: in another they would differ in the last digits
    with progress.task("Comparing tensors", dataset.size) as advance:
        for done in process_chunks(dataset, _CHUNK, jobs, lambda: _Comparison(files, pairs, preprocessing)):
            early[done.start], unreadable = done.value
            for key, reason in unreadable:
                skipped.add(key, reason)
            while due in early:
                sums = _added(sums, early.pop(due))
                due += _CHUNK
            advance(done.length)
    return sums


def _added(one: list[TensorSums], other: list[TensorSums]) -> list[TensorSums]:
    return [merged(*both) for both in zip(one, other, strict=True)] if one and other else one or other


class _Comparison:
    """One worker's interpreters."""

    def __init__(
        self, files: tuple[Path, Path], pairs: Sequence[Pair], preprocessing: tuple[Preprocessing, Preprocessing]
    ) -> None:
        first = Model(files[0], kernels="builtin", keep_tensors=True)
        same = files[0] == files[1]
        self._models = [first, first if same else Model(files[1], kernels="builtin", keep_tensors=True)]
        self._pipelines = [
            InputPipeline(model.graph.inputs, how, model.graph.vocabularies)
            for model, how in zip(self._models, preprocessing, strict=True)
        ]
        self._pairs = pairs

    def __call__(self, chunk: Sequence[Sample]) -> tuple[list[TensorSums], list[tuple[str, str]]]:
        sums: list[TensorSums] = []
        unreadable = []
        for sample in chunk:
            try:
                raw = sample.read()
            except UnreadableSampleError as error:
                unreadable.append((sample.key, str(error)))
                continue
            sums = _added(sums, self._compare(sample, raw))
        return sums, unreadable

    def _compare(self, sample: Sample, raw: Raw) -> list[TensorSums]:
        for model, pipeline in zip(self._models, self._pipelines, strict=True):
            arrays = pipeline.prepare(raw, sample.key)
            model.run([np.repeat(array[None], model.batch, 0) for array in arrays], outputs=())
        baseline, variant = self._models
        return [
            compared(
                dequantize(baseline.tensor(pair.baseline.index), pair.baseline.spec),
                variant.tensor(pair.variant.index),
                pair.variant.spec,
                pair.baseline.columns,
            )
            for pair in self._pairs
        ]
