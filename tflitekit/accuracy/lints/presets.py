"""Which preset of preprocessing fits a model, told by its figures on a few samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from tflitekit.accuracy.lints.class_numbers import MOSTLY_RIGHT, class_numbers
from tflitekit.accuracy.metrics import AnyMetric, Scores
from tflitekit.accuracy.metrics.decoded import DecodedMetric
from tflitekit.accuracy.metrics.detection import Detection
from tflitekit.accuracy.scoring import ScoringJob, score
from tflitekit.core.errors import TflitekitError
from tflitekit.core.progress import Progress
from tflitekit.data.dataset import Dataset, SkippedSamples, Subset
from tflitekit.data.preprocessing import PRESETS, Preprocessing
from tflitekit.results import Finding
from tflitekit.tasks.metric_words import words_of

__all__ = ["BetterPreset", "best_preset", "other_preset", "with_preset"]

_SAMPLES = 48
_CLEARLY = 0.1


class BetterPreset(NamedTuple):
    """The preset with the highest figure, among those that are not the one in use."""

    value: float
    name: str
    samples: int | None


def best_preset(
    run: ScoringJob,
    dataset: Dataset,
    metric: AnyMetric,
    value: Callable[[Scores], float],
    *,
    samples: int,
    jobs: int | None,
    stream: bool,
) -> BetterPreset | None:
    """Scores a file with every preset but its own; None where none fits its input.

    Args:
        value: Returns the figure of a run's scores; higher is better.
        samples: So many are tried.
    """
    best: BetterPreset | None = None
    few = dataset if stream else Subset(dataset, limit=samples)
    for preset in PRESETS.values():
        if preset == run.contract.preprocessing:
            continue
        trial, skipped = with_preset(run, preset), SkippedSamples(few.size)
        try:
            scores = score([trial], few, metric, jobs=jobs, progress=Progress(), skipped=skipped, stream=stream)
            found = value(scores[run.variant.name])
        except TflitekitError:  # a preset that does not fit this input
            continue
        if best is None or found > best.value:
            best = BetterPreset(found, preset.name, few.size)
    return best


def with_preset(run: ScoringJob, preset: Preprocessing) -> ScoringJob:
    """Returns a run of the same file with another preprocessing."""
    contract = run.contract.model_copy(update={"preprocessing": preset})
    return replace(run, variant=run.variant.model_copy(update={"contract": contract}))


def other_preset(
    run: ScoringJob, scores: Scores, dataset: Dataset, metric: AnyMetric, jobs: int | None, *, stream: bool
) -> list[Finding]:
    """Where a model got pixels from 0 to 255 because nothing was named, says whether boxes, masks or keypoints are better with a preset.

    A detector whose classes are numbered otherwise, too, has two flags named at once.
    """
    inputs = run.contract.inputs
    if (
        not isinstance(metric, DecodedMetric)
        or not dataset.pictures
        or run.contract.preprocessing != PRESETS["raw"]
        or any(spec.dtype != "float32" for spec in inputs)
    ):
        return []

    def value(found: Scores) -> float:
        return metric.summarize(found)[0].value

    (now, *_) = metric.summarize(scores)
    best = best_preset(run, dataset, metric, value, samples=_SAMPLES, jobs=jobs, stream=stream)
    better = best is not None and best.value >= now.value + _CLEARLY
    tried = [PRESETS[best.name]] if best is not None and better else list(PRESETS.values())
    if isinstance(metric, Detection) and now.value <= MOSTLY_RIGHT:
        for preset in tried:
            also = class_numbers(with_preset(run, preset), dataset, metric, also=f"--preprocess {preset.name}")
            if also:
                return also
    if best is None or not better:
        return []
    name = words_of(now.metric).name
    return [
        Finding(
            kind="other-preprocessing",
            message=f"No preprocessing was named, so {run.variant.name} got pixels from 0 to 255. With --preprocess {best.name} its {name} is "
            f"{best.value:.1%} on {best.samples} samples; without, it is {now.value:.1%}.",
            advice=f"Run the same command with --preprocess {best.name}.",
        )
    ]
