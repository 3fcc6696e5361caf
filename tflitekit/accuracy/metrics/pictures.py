"""Pictures as targets, as of super-resolution and autoencoders: peak signal-to-noise ratio and structural similarity."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.accuracy.metrics import Meaning, Scores, metric
from tflitekit.accuracy.metrics.figures import Figure, MeanFigure
from tflitekit.accuracy.metrics.regression import MAE, RMSE, Regression
from tflitekit.core.errors import DataError, MissingDependencyError
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.dataset import Dataset
from tflitekit.options.tasks import TaskOptions
from tflitekit.tasks.interface import Interface

__all__ = ["Pictures"]

PSNR = MeanFigure("psnr", "psnr", higher_is_better=True)
SSIM = MeanFigure("ssim", "ssim", higher_is_better=True)

_SAMPLES = 16
_LEAST_ERROR = 1e-10
"""Of the squared range: two equal pictures have 100 dB, not infinitely many."""
_WINDOW = 11


@metric("psnr")
def psnr(dataset: Dataset, interface: Interface, how: TaskOptions) -> Pictures:
    """Compares pictures, in dB: of each the ratio of the range of values to the root mean squared error, averaged over pictures."""
    del how
    return _of_pictures(dataset, interface.output, (PSNR, MAE, RMSE))


@metric("ssim")
def ssim(dataset: Dataset, interface: Interface, how: TaskOptions) -> Pictures:
    """Compares pictures by their structure in Gaussian windows; needs scikit-image."""
    del how
    try:
        import skimage.metrics  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "--metric ssim needs scikit-image.", fix="pip install 'tflitekit[tasks]', or take --metric psnr."
        ) from error
    return _of_pictures(dataset, interface.output, (SSIM, PSNR, MAE, RMSE))


def _of_pictures(dataset: Dataset, spec: TensorSpec, figures: tuple[Figure, ...]) -> Pictures:
    labels = [sample.label for sample in itertools.islice(dataset, _SAMPLES)]
    shape = np.shape(labels[0])
    least = _WINDOW if figures[0] is SSIM else 2
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[-1] not in (1, 3, 4)) or min(shape[:2]) < least:
        raise DataError(
            f"The labels at {dataset.location} have the shape {list(shape)}, and {figures[0].name} compares pictures: height x width, or "
            f"height x width x 1, 3 or 4, of at least {least} pixels a side.",
            fix="Take another metric: mae or rmse.",
        )
    found = Pictures(shape, figures, value_range=_range(labels))
    found.check(spec)
    return found


def _range(labels: Sequence[Any]) -> float:
    """Returns how far apart the darkest and the brightest value of such pictures can be: 1, 2 (from -1 on) or 255."""
    low, high = (float(f([f(label) for label in labels])) for f in (np.min, np.max))
    if low >= -1 and high <= 1 and np.asarray(labels[0]).dtype.kind == "f":
        return 2.0 if low < 0 else 1.0
    if low >= 0 and high <= 255:
        return 255.0
    raise DataError(
        f"The targets lie between {low:g} and {high:g}: that is none of the ranges of pictures, which are 0 to 1, -1 to 1 and 0 to 255.",
        fix="Scale targets and outputs to one of these ranges, or take another metric: mae or rmse.",
    )


class Pictures(Regression):
    """Compares outputs with pictures; see `Regression`.

    Args:
        value_range: Of the targets, from the darkest to the brightest.
    """

    def __init__(self, target_shape: tuple[int, ...], figures: Sequence[Figure], *, value_range: float) -> None:
        super().__init__(target_shape, figures)
        self._range = value_range

    def score(self, outputs: NDArray[np.float32], labels: list[Any], *, meaning: Meaning) -> Scores:
        found = super().score(outputs, labels, meaning=meaning)
        relative = np.maximum(found["squared"] / self._range**2, _LEAST_ERROR)
        found["psnr"] = -10 * np.log10(relative)
        if SSIM in self._figures:
            found["ssim"] = np.array([self._ssim(*pair) for pair in zip(outputs, labels, strict=True)])
        return found

    def _ssim(self, output: NDArray[np.float32], label: Any) -> float:
        """Returns the structural similarity as Z. Wang et al. define it ('Image quality assessment', IEEE TIP 13, 2004)."""
        from skimage.metrics import structural_similarity

        target = np.asarray(label, np.float64)
        return float(
            structural_similarity(
                target,
                output.reshape(target.shape).astype(np.float64),
                data_range=self._range,
                channel_axis=-1 if target.ndim == 3 else None,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
        )
