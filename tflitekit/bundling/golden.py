"""Golden samples: real data with everything that the host computed of them, for the device to compute again."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tflitekit.bundling.contents import (
    RANKED,
    ArrayFile,
    Golden,
    GoldenResult,
    GoldenSample,
    ImageFile,
    Ranked,
    Task,
    Tolerances,
)
from tflitekit.bundling.decoded import decoded
from tflitekit.bundling.tolerances import tolerances
from tflitekit.core.errors import BundleError, ContractError, DataError, ModelError
from tflitekit.core.files import write_whole
from tflitekit.data.dataset import Dataset, InputPipeline, Raw, Sample, UnreadableSampleError
from tflitekit.data.image_files import was_turned
from tflitekit.data.preprocessing import Preprocessing
from tflitekit.tasks.readers import Reader
from tflitekit.tflite.graph import Graph
from tflitekit.tflite.runtime import Array, Model, dequantize, quantize

__all__ = ["GoldenRun", "InputKind", "Recording", "find_input_kind", "record", "scores"]

InputKind = Literal["image", "tensors"]
_NO_COLOUR_TAGS = frozenset({"icc_profile", "gamma", "chromaticity", "srgb", "transparency", "palette"})


@dataclass
class GoldenRun:
    """A variant that is recorded.

    Attributes:
        shipped: The file in the bundle.
        measured: The file that it was made of.
    """

    name: str
    shipped: Path
    measured: Path
    graph: Graph
    primary_output: int


@dataclass(frozen=True)
class Recording:
    """How samples are recorded.

    Attributes:
        folder: Of the bundle; ``golden/`` is written below it.
        input_kind: What `find_input_kind` says of the samples.
        probabilities: Whether the primary output holds probabilities.
        top_k: So many of the best classes are recorded.
        open: Opens the reader for a file; None where outputs are not decoded.
    """

    folder: Path
    preprocessing: Preprocessing
    labels: tuple[str, ...] | None
    input_kind: InputKind
    task: Task
    probabilities: bool
    top_k: int
    open: Callable[[Graph], Reader] | None = None

    def pipeline(self, graph: Graph) -> InputPipeline:
        return InputPipeline(graph.inputs, self.preprocessing, graph.vocabularies)

    def prepared(self, graph: Graph, raw: Raw, key: str) -> list[Array]:
        """Returns the real values of each input of a graph, with the batch dimension."""
        return [values[None] for values in self.pipeline(graph).prepare(raw, key)]


@dataclass(frozen=True)
class Recorded:
    """What was recorded, and the tolerances by variant that follow from it."""

    golden: Golden
    tolerances: dict[str, tuple[Tolerances, ...]]


def find_input_kind(dataset: Dataset, graph: Graph, preprocessing: Preprocessing) -> InputKind:
    """Returns 'image' where images become the only input, or 8-bit arrays that are the same as images.

    Raises:
        DataError: The data are empty, or the first sample cannot be read.
    """
    sample = next(iter(dataset), None)
    if sample is None:
        raise DataError(f"The data at {dataset.location} are empty.")
    return "tensors" if _image(_read(sample), graph, preprocessing, sample.key) is None else "image"


def record(
    runs: Sequence[GoldenRun], dataset: Dataset, how: Recording, *, seed: int, advance: Callable[[int], None]
) -> Recorded:
    """Runs every variant on every sample and writes ``golden/``.

    Args:
        dataset: The samples, few.
        seed: That they were drawn with.

    Raises:
        DataError: A sample cannot be read or does not fit the model.
        BundleError: A variant's output is not a number.
    """
    recorders = [_Recorder(run) for run in runs]
    samples = []
    for index, sample in enumerate(dataset):
        samples.append(_sample(sample, recorders, how, _Writer(how.folder, f"{index:04d}")))
        advance(1)
    return Recorded(
        golden=Golden(seed=seed, top_k=how.top_k, samples=tuple(samples)),
        tolerances={recorder.run.name: recorder.tolerances() for recorder in recorders},
    )


def _sample(sample: Sample, recorders: Sequence[_Recorder], how: Recording, writer: _Writer) -> GoldenSample:
    raw, graph = _read(sample), recorders[0].run.graph
    inputs = tuple(writer.array(f"input-{i}", values) for i, values in enumerate(how.prepared(graph, raw, sample.key)))
    results = tuple(_result(recorder, raw, sample.key, how, writer) for recorder in recorders)
    original = pixels = lossless = None
    image = _image(raw, graph, how.preprocessing, sample.key) if how.input_kind == "image" else None
    if image is not None:
        shape = graph.inputs[0].shape[1:]
        original, lossless = writer.images(sample, image, how.preprocessing, shape)
        pixels = writer.array("pixels", how.preprocessing.pixels(image, shape))
    return GoldenSample(
        name=writer.name,
        key=sample.key,
        label=sample.label if isinstance(sample.label, int) else None,
        original=original,
        image=lossless,
        pixels=pixels,
        inputs=inputs,
        results=results,
    )


def _result(recorder: _Recorder, raw: Raw, key: str, how: Recording, writer: _Writer) -> GoldenResult:
    run = recorder.run
    values = how.prepared(run.graph, raw, key)
    outputs = recorder.outputs(values, key)
    answer = dequantize(outputs[run.primary_output], run.graph.outputs[run.primary_output])
    stem = run.shipped.stem
    stored = [quantize(v, spec) for v, spec in zip(values, run.graph.inputs, strict=True)]
    found = None
    if how.open is not None:
        reader = how.open(run.graph)
        real = {spec.name: dequantize(v, spec)[0] for v, spec in zip(outputs, run.graph.outputs, strict=True)}
        said = reader.read([real[name] for name in reader.outputs], how.pipeline(run.graph).frame(raw))
        found = decoded(said, lambda mask: writer.array(f"{stem}.mask", mask), reader.name)
    return GoldenResult(
        variant=run.name,
        inputs=tuple(writer.array(f"{stem}.input-{i}", v) for i, v in enumerate(stored)),
        outputs=tuple(writer.array(f"{stem}.output-{i}", v) for i, v in enumerate(outputs)),
        top_k=_top(scores(answer, how.task, probabilities=how.probabilities), how.labels, how.top_k),
        decoded=found,
    )


def scores(answer: Array, task: Task, *, probabilities: bool) -> NDArray[np.float32]:
    """Returns one score a class of the primary output's real values; empty for other tasks."""
    values = np.asarray(answer, np.float32).reshape(-1)
    if task not in RANKED:
        return values[:0]
    if task == "binary":
        other = np.float32(1) - values[0] if probabilities else -values[0]
        return np.asarray([other, values[0]], np.float32)
    return values


def _top(values: NDArray[np.float32], labels: tuple[str, ...] | None, count: int) -> tuple[Ranked, ...]:
    order = np.argsort(-values, kind="stable")[:count]
    return tuple(
        Ranked(index=int(i), label=labels[i] if labels is not None else None, score=float(values[i])) for i in order
    )


class _Recorder:
    """Runs one variant as it ships, with both sets of kernels, and the file that it was made of."""

    def __init__(self, run: GoldenRun) -> None:
        self.run = run
        self._default = Model(run.shipped, graph=run.graph)
        self._builtin = _own_kernels(run)
        self._measured = Model(run.measured)
        self._outputs: list[list[Array]] = []
        self._builtin_outputs: list[list[Array]] = []

    def outputs(self, values: Sequence[Array], key: str) -> list[Array]:
        """Returns the stored outputs.

        Raises:
            BundleError: They are not numbers, or not those of the measured file.
        """
        outputs = self._stored(self._default, values)
        if not all(np.isfinite(v).all() for v in outputs if v.dtype.kind == "f"):
            raise BundleError(
                f"The variant '{self.run.name}' gives NaN or infinite values for the sample '{key}'.",
                why="An app could not show a result, and it could not be compared with the host's.",
                fix="Leave the variant out with --variant, or look at its warnings in the report.",
            )
        if not all(np.array_equal(a, b) for a, b in zip(outputs, self._stored(self._measured, values), strict=True)):
            raise BundleError(
                f"The variant '{self.run.name}' gives a different output with metadata in it (sample '{key}').",
                why="Writing metadata must not change a model: this is a bug in the kit or in the runtime.",
                fix="Please report it, with the file.",
            )
        self._outputs.append(outputs)
        if self._builtin is not None:
            self._builtin_outputs.append(self._stored(self._builtin, values))
        return outputs

    def tolerances(self) -> tuple[Tolerances, ...]:
        """Returns what follows from all samples."""
        return tolerances(self.run.graph, self._outputs, None if self._builtin is None else self._builtin_outputs)

    def _stored(self, model: Model, values: Sequence[Array]) -> list[Array]:
        model.run(values)
        return [model.stored_output(index) for index in range(len(self.run.graph.outputs))]


def _own_kernels(run: GoldenRun) -> Model | None:
    """Returns a variant on the runtime's own kernels; None where it has a custom operator that only XNNPACK computes."""
    try:
        return Model(run.shipped, graph=run.graph, kernels="builtin")
    except ModelError:
        if not run.graph.custom_ops:
            raise
        return None


def _read(sample: Sample) -> Raw:
    try:
        return sample.read()
    except UnreadableSampleError as error:
        raise DataError(f"The sample '{sample.key}' cannot be read ({error}).", fix="Remove or repair it.") from error


def _image(raw: Raw, graph: Graph, preprocessing: Preprocessing, key: str) -> Image.Image | None:
    """Returns the image that a sample is, or that its 8-bit array is where it gives the same input."""
    if isinstance(raw, Image.Image):
        return raw
    values = next(iter(raw.values()))
    if len(raw) != 1 or len(graph.inputs) != 1 or values.dtype != np.uint8:
        return None
    shape = graph.inputs[0].shape[1:]
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[-1] not in (3, 4)):
        return None
    image = Image.fromarray(values)
    try:
        same = preprocessing.image(image, shape)
        wanted = InputPipeline(graph.inputs, preprocessing).prepare(raw, key)[0]
    except (DataError, ContractError):  # not the shape of an image, or not what the preprocessing is for
        return None
    return image if np.array_equal(same, wanted.astype(np.float32)) else None


class _Writer:
    """Writes the files of one sample; what has the same content is written once."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self._root, self._folder = folder, f"golden/{name}"
        self._arrays: dict[tuple[str, tuple[int, ...], str], ArrayFile] = {}

    def array(self, name: str, values: Array) -> ArrayFile:
        """Writes values as they are stored."""
        values = np.ascontiguousarray(values)
        content = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
        sha256 = hashlib.sha256(content).hexdigest()
        key = (values.dtype.name, values.shape, sha256)
        if key not in self._arrays:
            file = self._write(f"{name}.bin", content)
            self._arrays[key] = ArrayFile(file=file, sha256=sha256, dtype=values.dtype.name, shape=values.shape)
        return self._arrays[key]

    def images(
        self, sample: Sample, image: Image.Image, preprocessing: Preprocessing, shape: tuple[int, ...]
    ) -> tuple[ImageFile, ImageFile]:
        """Writes the sample's own file and the image without loss; one file where that is the same."""
        decoded = preprocessing.decoded(image, shape)
        if sample.path is None or was_turned(image):  # decoders of apps take pixels as they are stored
            lossless = self._image("image.png", _png(decoded), decoded)
            return lossless, lossless
        path = Path(sample.path)
        original = self._image(f"original{path.suffix.lower()}", path.read_bytes(), image)
        if image.format == "PNG" and image.mode == decoded.mode and not _NO_COLOUR_TAGS & set(image.info):
            return original, original
        return original, self._image("image.png", _png(decoded), decoded)

    def _image(self, name: str, content: bytes, image: Image.Image) -> ImageFile:
        file = self._write(name, content)
        return ImageFile(file=file, sha256=hashlib.sha256(content).hexdigest(), width=image.width, height=image.height)

    def _write(self, name: str, content: bytes) -> str:
        file = f"{self._folder}/{name}"
        write_whole(self._root / file, content)
        return file


def _png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.asarray(image)).save(stream, "PNG", optimize=True)  # without what the original carried along
    return stream.getvalue()
