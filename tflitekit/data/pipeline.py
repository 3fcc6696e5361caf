"""From a sample to the model's input arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tflitekit.core.errors import ContractError, DataError
from tflitekit.core.tensor import TensorSpec, shown_shape
from tflitekit.data.columns import Columns
from tflitekit.data.frame import Frame
from tflitekit.data.preprocessing import Preprocessing, image_layout, is_picture
from tflitekit.data.rows import check_finite
from tflitekit.data.samples import Advised, Array, Raw

__all__ = ["InputPipeline", "check_vocabulary", "without_batch"]


class _ShapeError(DataError):
    """A sample is of another shape than the model takes."""


class InputPipeline:
    """Turns what `Sample.read` gives into the model's input arrays, by the contract's rules.

    Args:
        inputs: The model's inputs; quantized integer inputs take real values here.
        preprocessing: What happens to pixels.
        vocabularies: By input, how many rows a table has of which its values pick some, where that is known.
    """

    def __init__(
        self, inputs: Sequence[TensorSpec], preprocessing: Preprocessing, vocabularies: Mapping[str, int] | None = None
    ) -> None:
        self.inputs = tuple(inputs)
        self.preprocessing = preprocessing
        self.vocabularies = vocabularies or {}

    def prepare(self, raw: Raw, key: str) -> tuple[Array, ...]:
        """Returns one array per input, in the order of the model's inputs, without the batch dimension.

        Raises:
            DataError: Names or shapes do not fit; the message gives both.
        """
        if isinstance(raw, Image.Image):
            pixels = self.pixels(raw)
            values = self.preprocessing.normalized(pixels, pixels.shape)
            return (self._whole(self.inputs[0], values, key) if _takes_whole(self.inputs[0]) else values,)
        try:
            return tuple(
                self._array(spec, values, key) for spec, values in zip(self.inputs, self._by_name(raw), strict=True)
            )
        except _ShapeError as error:
            fix = raw.advice if isinstance(raw, Advised) else error.fix
            raise DataError(error.what, why=error.why, fix=fix) from error

    def pixels(self, image: Image.Image) -> NDArray[np.uint8]:
        """Returns an image as the only input has it before normalization.

        Raises:
            DataError: The model has several inputs.
        """
        if len(self.inputs) != 1:
            raise DataError(
                f"The model has {len(self.inputs)} inputs ({', '.join(s.name for s in self.inputs)}), "
                "and a folder of images fills only one.",
                fix="Give an .npz with one array per input name, or a factory that yields a dict of arrays.",
            )
        return self.preprocessing.pixels(image, self._shape_for(image))

    def frame(self, raw: Raw) -> Frame:
        """Returns where a sample lies in the first input: a picture by the preprocessing's rules, an array as it is."""
        shape = self.inputs[0].shape[1:]
        if isinstance(raw, Image.Image):
            return self.preprocessing.frame(raw.size, self._shape_for(raw))
        values = without_batch(raw.get(self.inputs[0].name, next(iter(raw.values()))), len(shape))
        if not is_picture(values.shape):
            return Frame.whole(1, 1)
        height, width, _, _ = image_layout(values.shape)
        return Frame.whole(width, height)

    def _shape_for(self, image: Image.Image) -> tuple[int, ...]:
        """Returns the input's shape without batch; where it leaves the size open, the image keeps its own."""
        shape = self.inputs[0].shape[1:]
        if len(shape) != 3 or min(shape) > 0:
            return shape
        channels_first = shape[2] not in (1, 3, 4) and shape[0] in (1, 3, 4)
        own = (-1, image.height, image.width) if channels_first else (image.height, image.width, -1)
        return tuple(mine if size < 0 else size for size, mine in zip(shape, own, strict=True))

    def _by_name(self, raw: Mapping[str, Array]) -> list[Array]:
        if isinstance(raw, Columns):
            raw = raw.arranged(self.inputs)
        if len(self.inputs) == 1 and len(raw) == 1:
            return list(raw.values())
        names = [spec.name for spec in self.inputs]
        if set(names) != set(raw):
            raise DataError(
                f"The arrays in the data do not match the model's inputs: the data have {', '.join(raw) or 'none'}; "
                f"the model takes {', '.join(names)}.",
                fix="Name one array per model input (and 'y' for the labels).",
            )
        return [raw[name] for name in names]

    def _array(self, spec: TensorSpec, values: Array, key: str) -> Array:
        wanted, given = spec.shape[1:], list(values.shape)
        values = without_batch(values, len(wanted))
        if values.ndim == len(wanted) - 1 and wanted[-1] == 1:
            values = values[..., None]
        if values.ndim != len(wanted) or any(w not in (-1, have) for w, have in zip(wanted, values.shape, strict=True)):
            batched = values.ndim == len(wanted) + 1
            raise _ShapeError(
                f"The data's shape {given} does not fit the model's input '{spec.name}', "
                f"which takes {shown_shape(wanted)} (both without batch; {key}).",
                fix="Give samples one by one, not in batches." if batched else None,
            )
        if spec.is_text:
            return _text(spec, values, key)
        if values.dtype.kind not in "iufb":
            raise DataError(f"The data for input '{spec.name}' are of the type {values.dtype}, not numbers ({key}).")
        check_vocabulary(spec.name, values, self.vocabularies.get(spec.name), f"The sample '{key}'")
        if _takes_whole(spec):
            return self._whole(spec, values, key)
        check_finite(values, spec.name, key)
        result = values.astype(np.float32)
        if self.preprocessing.changes_values:
            if not is_picture(result.shape):
                raise ContractError(
                    f"The preprocessing '{self.preprocessing.name}' is for pixels, and the input '{spec.name}' "
                    f"has the shape {list(values.shape)}.",
                    fix="Store the data as the model expects them and use --preprocess raw.",
                )
            result = self.preprocessing.array(result)
        return np.ascontiguousarray(result).reshape(result.shape)  # which makes one dimension of none

    def _whole(self, spec: TensorSpec, values: Array, key: str) -> Array:
        with np.errstate(invalid="ignore"):  # NaN becomes some number, which is refused below
            whole = np.ascontiguousarray(values.astype(spec.dtype)).reshape(values.shape)
        if values.dtype != whole.dtype and not np.array_equal(whole, values):
            raise DataError(
                f"The sample '{key}' has values that the input '{spec.name}' cannot hold: it takes {spec.dtype}, without "
                "quantization.",
                why=f"The data are {values.dtype} from {values.min():g} to {values.max():g}: fractions and values out of range would change.",
                fix="Give the whole numbers that the model was trained with (token ids, pixels from 0 to 255)"
                + (
                    f", and --preprocess raw instead of '{self.preprocessing.name}'."
                    if self.preprocessing.changes_values
                    else "."
                ),
            )
        return whole


def _text(spec: TensorSpec, values: Array, key: str) -> Array:
    """Returns text as UTF-8, as wide as the longest."""
    texts = values.reshape(-1).tolist()
    if not all(isinstance(text, str | bytes) for text in texts):
        raise DataError(
            f"The input '{spec.name}' takes text, and the data are of the type {values.dtype} ({key}).",
            fix="Store the array as text: np.asarray(values, str).",
        )
    try:
        coded = [text.encode() if isinstance(text, str) else text for text in texts]
    except UnicodeEncodeError as error:
        raise DataError(f"The text for the input '{spec.name}' is not Unicode: {error} ({key}).") from error
    return np.array(coded, np.bytes_).reshape(values.shape)


def check_vocabulary(name: str, values: Array, rows: int | None, sample: str) -> None:
    """Raises `DataError` where values of an input pick rows that a table of ``rows`` rows does not have; None has any."""
    if rows is None:
        return
    wrong = values[(values < 0) | (values >= rows)]
    if wrong.size:
        raise DataError(
            f"{sample} has the value {wrong.flat[0]:g} in the input '{name}', which picks rows of a table of {rows:,}: 0 to {rows - 1:,}.",
            why="Other values, such as ids of tokens that the model does not know, read nothing or something else.",
            fix="Give ids of the vocabulary that the model was trained with.",
        )


def _takes_whole(spec: TensorSpec) -> bool:
    """Whether an input takes whole numbers as they are, not real ones."""
    return spec.dtype in ("int32", "int64", "bool") or (spec.dtype in ("uint8", "int8") and spec.quantization is None)


def without_batch(values: Array, rank: int) -> Array:
    """Returns a sample of ``rank`` dimensions without those of size 1 before them, as representative datasets have them."""
    while values.ndim > rank and values.shape[0] == 1:
        values = values[0]
    return values
