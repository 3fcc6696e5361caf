"""What turns an image file or an array into the numbers a model expects: one definition, used by
calibration, evaluation and the app.

The value of a pixel ``p`` (0 to 255) becomes ``(p / divisor - mean) / std``, per channel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from tflitekit.core.errors import ContractError, UnreadableError
from tflitekit.core.remote import local_copy
from tflitekit.core.structured import check_model, read_json
from tflitekit.data.frame import Frame

__all__ = ["PRESETS", "Preprocessing", "Step", "image_layout", "is_picture", "load_preprocessing"]

_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def _float32(value: float) -> float:
    """Refuses what float32, in which pixels are normalized, cannot hold: infinity, or a number that becomes 0 or loses digits."""
    if not np.isfinite(value) or (value and not _SMALLEST <= abs(value) <= _LARGEST):
        raise ValueError(f"{value!r} does not fit into float32, in which pixels are computed")
    return value


_SMALLEST, _LARGEST = (float(bound) for bound in (np.finfo(np.float32).tiny, np.finfo(np.float32).max))
Float32 = Annotated[float, AfterValidator(_float32)]
Channels = tuple[Float32, ...]
Step = tuple[Literal["divide", "subtract"], NDArray[np.float32]]
"""One operation in float32 with one value, or one per channel."""


class Preprocessing(BaseModel):
    """How samples become model inputs. JSON, ``extra`` keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("custom", description="The preset's name, or 'custom'.")
    color: Literal["rgb", "bgr"] = Field("rgb", description="Channel order for inputs with three channels.")
    resize: Literal["nearest", "box", "bilinear", "bicubic", "lanczos"] = Field(
        "bilinear", description="Pillow's resampling filter of that name."
    )
    fit: Literal["stretch", "center_crop", "pad"] = Field(
        "stretch",
        description="stretch: ignore the aspect ratio, as Keras's image_dataset_from_directory does. "
        "center_crop: cut the largest centered rectangle of the input's shape. pad: keep everything, black borders.",
    )
    crop_fraction: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Central part of the image kept before resizing (ImageNet evaluation: 0.875).",
    )
    divisor: Float32 = Field(1.0, gt=0, description="Pixels are first divided by this.")
    mean: Channels = Field((0.0,), description="Subtracted after the division: one value, or one per channel.")
    std: Channels = Field((1.0,), description="Divided by last: one value, or one per channel.")

    @field_validator("std")
    @classmethod
    def _positive(cls, value: Channels) -> Channels:
        if not value or any(not part > 0 for part in value):
            raise ValueError("std must be positive")
        return value

    @field_validator("mean")
    @classmethod
    def _not_empty(cls, value: Channels) -> Channels:
        if not value:
            raise ValueError("mean must hold a number")
        return value

    @property
    def changes_values(self) -> bool:
        """Whether anything but decoding, cropping and resizing happens."""
        return self.color != "rgb" or self.divisor != 1 or any(self.mean) or any(s != 1 for s in self.std)

    def describe(self) -> str:
        """Returns one line for people."""
        value = f"p / {self.divisor:g}" if self.divisor != 1 else "p"
        if any(self.mean):
            value = f"{value} - {_short(self.mean)}"
        if any(s != 1 for s in self.std):
            value = f"({value}) / {_short(self.std)}"
        crop = f", central {self.crop_fraction:.1%}" if self.crop_fraction < 1 else ""
        return f"{self.name}: {self.color.upper()}, {self.resize} resize ({self.fit}{crop}), {value}"

    def image(self, image: Image.Image, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Turns a decoded image into one input without its batch dimension.

        Args:
            image: Any mode; converted to 8-bit grey, RGB or RGBA by the input's number of channels.
            shape: The input's shape without batch, ``(H, W, C)``, ``(C, H, W)`` or ``(H, W)``.

        Returns:
            float32 array of that shape.
        """
        return self.normalized(self.pixels(image, shape), shape)

    def pixels(self, image: Image.Image, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Returns what `image` normalizes: cropped and resized, in the input's shape and order of channels."""
        height, width, channels, channels_first = image_layout(shape)
        image = self.decoded(image, shape)
        box = self._box(image.size, (width, height))
        if self.fit == "pad":
            image = self._padded(image.crop(box), (width, height))
        elif image.size != (width, height) or box != (0, 0, *image.size):
            part = image if box == (0, 0, *image.size) else image.crop(box)
            image = part.resize((width, height), _RESAMPLING[self.resize])
        pixels = self._ordered(np.asarray(image, dtype=np.uint8).reshape(height, width, channels))
        if channels_first:
            pixels = np.moveaxis(pixels, -1, 0)
        return np.ascontiguousarray(pixels.reshape(shape))

    def frame(self, size: tuple[int, int], shape: tuple[int, ...]) -> Frame:
        """Returns where a picture of a width and height lies in an input of a shape without batch."""
        height, width, _, _ = image_layout(shape)
        left, top, right, bottom = self._box(size, (width, height))
        kept, inner, at = (right - left, bottom - top), (width, height), (0, 0)
        if self.fit == "pad":
            inner, at = self._inside(kept, (width, height))
        scale = inner[0] / kept[0], inner[1] / kept[1]
        return Frame(size, (width, height), scale, (at[0] - left * scale[0], at[1] - top * scale[1]))

    def decoded(self, image: Image.Image, shape: tuple[int, ...]) -> Image.Image:
        """Returns an image of any mode as 8-bit grey, RGB or RGBA, as the input's number of channels wants it."""
        if image.mode.startswith("I"):  # 16-bit grey; Pillow's own conversion clips everything above 255 to white
            image = Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8))
        mode = {1: "L", 3: "RGB", 4: "RGBA"}[image_layout(shape)[2]]
        return image if image.mode == mode else image.convert(mode)

    def normalized(self, pixels: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Returns the values of `pixels`, float32; dimensions before those of ``shape`` are batches."""
        return _apply(self.steps(shape), pixels.astype(np.float32))

    def steps(self, shape: tuple[int, ...]) -> tuple[Step, ...]:
        """Returns the arithmetic of normalization for an input's shape without batch, in order.

        Raises:
            ContractError: The number of means or deviations is not that of the input's channels.
        """
        _, _, channels, channels_first = image_layout(shape)
        steps = self._steps(channels)
        return tuple((name, value.reshape(-1, 1, 1)) for name, value in steps) if channels_first else steps

    def values(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Applies channel order and normalization to ``(..., C)`` pixels; the shape stays."""
        return _apply(self._steps(pixels.shape[-1]), np.array(self._ordered(pixels), np.float32))

    def array(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Applies channel order and normalization to one picture in any layout; the shape stays.

        Raises:
            ContractError: The shape is not that of an image, or the means are not those of its channels.
        """
        _, _, _, channels_first = image_layout(pixels.shape)
        if channels_first:
            return np.moveaxis(self.values(np.moveaxis(pixels, 0, -1)), -1, 0)
        return self.values(pixels) if pixels.ndim == 3 else self.values(pixels[..., None])[..., 0]

    def _ordered(self, pixels: NDArray[Any]) -> NDArray[Any]:
        return pixels[..., ::-1] if self.color == "bgr" and pixels.shape[-1] == 3 else pixels

    def _steps(self, channels: int) -> tuple[Step, ...]:
        for field, part in (("mean", self.mean), ("std", self.std)):
            if len(part) not in (1, channels):
                raise ContractError(
                    f"The preprocessing '{self.name}' has {len(part)} values for {field}, "
                    f"but the model's input has {channels} channels.",
                    fix="Give one value, or one per channel, in a JSON file with --preprocess FILE.json.",
                )
        steps: list[Step] = []
        if self.divisor != 1:
            steps.append(("divide", np.asarray([self.divisor], np.float32)))
        if any(self.mean):
            steps.append(("subtract", np.asarray(self.mean, np.float32)))
        if any(s != 1 for s in self.std):
            steps.append(("divide", np.asarray(self.std, np.float32)))
        return tuple(steps)

    def _box(self, size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int, int, int]:
        """Returns (left, top, right, bottom) of the part of the image that is kept, in whole pixels."""
        width, height = (max(1, round(side * self.crop_fraction)) for side in size)
        if self.fit == "center_crop":
            ratio = target[0] / target[1]
            width, height = (
                min(width, max(1, round(height * ratio))),
                min(height, max(1, round(width / ratio))),
            )
        left, top = (size[0] - width) // 2, (size[1] - height) // 2
        return left, top, left + width, top + height

    def _padded(self, image: Image.Image, target: tuple[int, int]) -> Image.Image:
        size, at = self._inside(image.size, target)
        canvas = Image.new(image.mode, target)
        canvas.paste(image.resize(size, _RESAMPLING[self.resize]), at)
        return canvas

    @staticmethod
    def _inside(size: tuple[int, int], target: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Returns the largest size of a picture that fits into a target whole, and its left upper corner there."""
        scale = min(target[0] / size[0], target[1] / size[1])
        width, height = (max(1, round(side * scale)) for side in size)
        return (width, height), ((target[0] - width) // 2, (target[1] - height) // 2)


def _apply(steps: tuple[Step, ...], pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Changes pixels in place, and returns them."""
    for name, value in steps:
        (np.divide if name == "divide" else np.subtract)(pixels, value, out=pixels)
    return pixels


def image_layout(shape: tuple[int, ...]) -> tuple[int, int, int, bool]:
    """Reads an input shape without batch as an image.

    Returns:
        Height, width, channels, and whether the channels come first.

    Raises:
        ContractError: The shape is not that of an image.
    """
    if len(shape) == 2 and shape[0] == shape[1] > 1:  # grey without a channel; others are sequences of features
        return shape[0], shape[1], 1, False
    if len(shape) == 3 and min(shape) >= 1:
        if shape[2] in (1, 3, 4):
            return shape[0], shape[1], shape[2], False
        if shape[0] in (1, 3, 4):
            return shape[1], shape[2], shape[0], True
    raise ContractError(
        f"The model's input has the shape {list(shape)} (without batch), which is not that of an image.",
        why="Folders of images need an input of height x width x 1, 3 or 4 channels with fixed sizes.",
        fix="Give the data as an .npz file or as a Python factory 'module:function' instead.",
    )


def is_picture(shape: tuple[int, ...]) -> bool:
    """Whether `image_layout` knows a shape without batch."""
    try:
        image_layout(shape)
    except ContractError:
        return False
    return True


def _short(values: Channels) -> str:
    return f"{values[0]:g}" if len(values) == 1 else "(" + ", ".join(f"{v:g}" for v in values) + ")"


PRESETS: dict[str, Preprocessing] = {
    preset.name: preset
    for preset in (
        Preprocessing(name="raw"),
        Preprocessing(name="0-1", divisor=255),
        Preprocessing(name="-1-1", divisor=127.5, mean=(1.0,)),
        # keras.applications.imagenet_utils.preprocess_input, modes 'torch' and 'caffe'.
        Preprocessing(name="imagenet-torch", divisor=255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
        Preprocessing(name="imagenet-caffe", color="bgr", mean=(103.939, 116.779, 123.68)),
        # TensorFlow Lite's ImageNet evaluation: square centre crop 0.875, bilinear, (p - 127.5) / 127.5.
        Preprocessing(name="imagenet-tf", fit="center_crop", crop_fraction=0.875, divisor=127.5, mean=(1.0,)),
    )
}


def load_preprocessing(value: str | Path | Preprocessing | None) -> Preprocessing:
    """Returns a preset by name, or what a JSON file (or a contract's JSON) says; 'raw' for None.

    Raises:
        ContractError: Neither a preset nor a readable JSON file, or the JSON has wrong fields.
    """
    if value is None:
        return PRESETS["raw"]
    if isinstance(value, Preprocessing):
        return value
    if str(value) in PRESETS:
        return PRESETS[str(value)]
    path = local_copy(value)
    choice = f"Choose from: {', '.join(PRESETS)}; or give a JSON file (see 'tflitekit presets --json' for the fields)."
    try:
        content = read_json(path)
        if isinstance(content, dict) and "preprocessing" in content:
            content = content["preprocessing"]
        return check_model(Preprocessing, content, str(path))
    except UnreadableError as error:
        if error.missing:
            raise ContractError(f"There is no preprocessing preset or file '{value}'.", fix=choice) from None
        raise ContractError(f"The preprocessing file {path} cannot be read: {error.reason}.", fix=choice) from error
