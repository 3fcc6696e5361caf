"""Descriptions of input and output tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Quantization", "TensorSpec", "shown_shape"]


def shown_shape(shape: Sequence[int]) -> str:
    """Returns ``[1, ?, ?, 3]``: a dimension that is not fixed is a question mark."""
    return f"[{', '.join('?' if d < 0 else str(d) for d in shape)}]"


@dataclass(frozen=True, kw_only=True)
class Quantization:
    """Affine quantization, ``real = scale * (stored - zero_point)``; several scales are per channel on ``axis``."""

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int | None = None


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """One tensor: the name that users address it by, its shape (-1 is dynamic) and its stored type."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None = None

    @property
    def is_text(self) -> bool:
        """Whether it holds strings (as UTF-8), not numbers."""
        return self.dtype == "string"

    @property
    def is_open(self) -> bool:
        """Whether a dimension besides the batch is not fixed."""
        return any(d < 0 for d in self.shape[1:])

    def describe(self) -> str:
        """Returns 'name dtype[shape] (scale, zero point)'."""
        text = f"{self.name} {self.dtype}{shown_shape(self.shape)}"
        if self.quantization and len(self.quantization.scale) == 1:
            text += f" scale {self.quantization.scale[0]:.6g}, zero point {self.quantization.zero_point[0]}"
        return text
