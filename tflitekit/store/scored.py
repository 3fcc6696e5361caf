"""Which samples the variants of a stored report got right: all that a paired comparison needs of it, read without the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:  # lists of entries are shown without NumPy
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Scored"]


class _Slice(BaseModel):
    """A piece of a report of any version; its other fields are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Data(_Slice):
    sha256: str | None = None
    samples: int
    skipped: tuple[str, ...] = ()
    available: int | None = None
    seed: int | None = None
    stream: bool = False


class _Accuracy(_Slice):
    metric: str
    value: float
    n: int


class _Variant(_Slice):
    name: str
    accuracy: _Accuracy | None = None
    hits: str | None = None


class Scored(_Slice):
    """The data of a report, and which samples each variant got right."""

    dataset: _Data | None = None
    variants: tuple[_Variant, ...]

    def hits(self, variant: str, value: float) -> NDArray[np.bool_] | None:
        """Returns which samples a variant got right, shape ``(n,)``; None where the report does not say.

        Args:
            value: Its accuracy: on another device the variant may have another one, of which no report keeps each sample.

        Raises:
            ModelError: The report is malformed.
        """
        from tflitekit.core.packing import unpack_hits

        for row in self.variants:
            figure = row.accuracy
            if row.name == variant and row.hits is not None and figure is not None and self.dataset is not None:
                is_of_it = (figure.metric, figure.value, figure.n) == ("top1", value, self.dataset.samples)
                return unpack_hits(row.hits, figure.n) if is_of_it else None
        return None
