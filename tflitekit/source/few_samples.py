"""A few samples to compare a converted model with the original on: the user's own, or else random ones."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict

from tflitekit.core.files import write_whole
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.columns import Columns
from tflitekit.data.dataset import Dataset, InputPipeline, Raw, UnreadableSampleError
from tflitekit.data.preprocessing import Preprocessing
from tflitekit.data.samples import Advised
from tflitekit.source.prepared import Exported
from tflitekit.tflite.proof import BOUND, Proof, difference, write_reference

__all__ = ["COUNT", "FewSamples", "Original", "compared", "keep_samples"]

COUNT = 4
_OPEN = 32
"""Where an input leaves a size open and no sample tells one."""

Array = NDArray[Any]
Row = list[Array]


class FewSamples(BaseModel):
    """Where the samples come from, for the worker that loads the model.

    Attributes:
        path: The user's, as `keep_samples` wrote them; random ones without.
        origin: What they are, in words.
    """

    model_config = ConfigDict(frozen=True)

    path: Path | None = None
    origin: str = "random"
    preprocessing: Preprocessing = Preprocessing(name="raw")

    def of(self, inputs: Sequence[TensorSpec]) -> list[Row]:
        """Returns the samples, each with one array per input, with the batch.

        Raises:
            DataError: The user's do not fit the inputs, by their names or shapes.
        """
        if self.path is None:
            return [[_random(spec, seed) for spec in inputs] for seed in range(COUNT)]
        pipeline = InputPipeline(inputs, self.preprocessing)
        rows = [pipeline.prepare(raw, key) for key, raw in _read(self.path)]
        batch = max(1, *inputs[0].shape[:1])
        if len({tuple(array.shape for array in row) for row in rows}) > 1:
            rows = rows if batch == 1 else rows[:1]
        return [
            [np.stack([rows[(start + i) % len(rows)][place] for i in range(batch)]) for place in range(len(inputs))]
            for start in range(len(rows))
        ]


def keep_samples(dataset: Dataset, path: Path, origin: str, preprocessing: Preprocessing) -> FewSamples:
    """Writes a few samples of a data set for `FewSamples`, as they are before they are preprocessed; random ones take the place of
    what no file can hold."""
    size = dataset.size
    spread = size is not None and dataset.random_access and size > COUNT
    rows = dataset.pick([i * size // COUNT for i in range(COUNT)]) if spread and size else iter(dataset)
    arrays: dict[str, Array] = {}
    for number, sample in enumerate(itertools.islice(rows, COUNT)):
        try:
            values = _plain(sample.read())
        except UnreadableSampleError:
            continue
        arrays[f"{number}/key"] = np.array(sample.key)
        arrays |= {f"{number}/{name}": value for name, value in values.items()}
    if not arrays or any(values.dtype.kind == "O" for values in arrays.values()):
        return FewSamples()
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, buffer.getvalue())
    return FewSamples(path=path, origin=origin, preprocessing=preprocessing)


def _plain(raw: Raw) -> dict[str, Array]:
    if isinstance(raw, Image.Image):
        return {"picture": np.asarray(raw if raw.mode in ("L", "RGB") else raw.convert("RGB"))}
    if isinstance(raw, Columns):
        return {f"table/{name}": values for name, values in raw.packed().items()}
    found = {name: np.asarray(values) for name, values in raw.items()}
    advice = {"advice": np.array(raw.advice)} if isinstance(raw, Advised) else {}
    return advice | {
        f"in/{name}": np.array(values.tolist()) if values.dtype.kind == "O" else values
        for name, values in found.items()
    }


def _read(path: Path) -> list[tuple[str, Raw]]:
    with np.load(path, allow_pickle=False) as content:
        arrays = dict(content.items())
    found: list[tuple[str, Raw]] = []
    for number in range(COUNT):
        if (key := arrays.get(f"{number}/key")) is not None:
            found.append((str(key), _raw(arrays, number)))
    return found


def _raw(arrays: Mapping[str, Array], number: int) -> Raw:
    picture = arrays.get(f"{number}/picture")
    if picture is not None:
        return Image.fromarray(picture)
    table = _below(arrays, f"{number}/table/")
    if table:
        return Columns.unpacked(table)
    found, advice = _below(arrays, f"{number}/in/"), arrays.get(f"{number}/advice")
    return found if advice is None else Advised(found, str(advice))


def _below(arrays: Mapping[str, Array], start: str) -> dict[str, Array]:
    return {name.removeprefix(start): value for name, value in arrays.items() if name.startswith(start)}


def _random(spec: TensorSpec, seed: int) -> Array:
    """Returns seeded values that models can take which were trained on pictures, numbers, or rows of a table: from 0 to 1, around
    0, and as large as pixels for what looks like a picture; of whole numbers 0 and 1."""
    generator = np.random.default_rng(seed)
    shape = [size if size > 0 else _OPEN for size in spec.shape]
    if spec.shape and spec.shape[0] < 0:
        shape[0] = 1
    if spec.is_text:
        return np.full(shape, [b"", b"a", b"a b", b"1"][seed % 4])
    if not spec.dtype.startswith(("float", "bfloat")):
        return generator.integers(0, 2, shape).astype(spec.dtype)
    picture = len(shape) == 4 and shape[-1] in (1, 3, 4)
    values = generator.standard_normal(shape) if seed % 2 else generator.random(shape)
    return (values * (255 if picture and seed % 4 == 2 else 1)).astype(np.float32)


@dataclass(frozen=True)
class Original:
    """The model before it was converted.

    Attributes:
        answer: Takes one array per input and returns one per output, in the order of the prepared source.
        state: Variables that it may change.
    """

    answer: Callable[[Row], Sequence[Any]]
    state: Sequence[Any] = ()

    def run(self, row: Row) -> Row:
        """Returns the outputs for one sample, and leaves the state as it was."""
        kept = [(variable, variable.numpy()) for variable in self.state]
        try:
            return [np.asarray(value) for value in self.answer(row)]
        finally:
            for variable, value in kept:
                variable.assign(value)


def compared(
    exported: Exported, original: str, run: Original, inputs: Sequence[TensorSpec], samples: FewSamples
) -> dict[str, Any]:
    """Runs the original on samples and leaves what `tflitekit.tflite.proof.compare` reads; random samples that it refuses are left out.

    Args:
        original: What runs it, with its version.

    Returns:
        The fields of `PreparedSource` that say so.

    Raises:
        DataError: The user's samples do not fit the inputs.
    """
    taken, outputs, refused = [], [], ""
    for row in samples.of(inputs):
        try:
            outputs.append(run.run(row))
            taken.append(row)
        except Exception as error:  # noqa: BLE001 - whatever the model's own code raises
            refused = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    if not taken:
        why = f"Not compared with the original, which cannot be run on the samples: {refused}"
        return {"proof": Proof(original=original, why=why)}
    again = run.run(taken[0])
    if any(difference([one], [other])[1] > BOUND for one, other in zip(again, outputs[0], strict=True)):
        why = "Not compared with the original, which answers the same input differently each time."
        return {"proof": Proof(original=original, why=why)}
    write_reference(exported.reference, taken, outputs)
    return {"compared_on": samples.origin}
