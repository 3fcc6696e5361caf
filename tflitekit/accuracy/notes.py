"""What an evaluation says beside its figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tflitekit.accuracy.metrics import ReferenceMetric
from tflitekit.accuracy.scored import Scored
from tflitekit.accuracy.scoring import ScoringJob
from tflitekit.results import Finding, VariantReport
from tflitekit.tflite.told import Told
from tflitekit.tflite.variant import Variant

__all__ = [
    "as_stream",
    "skipped_samples",
    "stopped_early",
    "stored_pixels",
    "told_by_file",
    "unlike_processors",
    "without_baseline",
]


def stored_pixels(variant: Variant) -> Finding:
    """Says which pixels a file got for which no preprocessing was named."""
    assert variant.contract is not None
    spec, preprocessing = variant.contract.inputs[0], variant.contract.preprocessing
    return Finding(
        kind="preprocessing-not-named",
        message=f"No preprocessing was named for {variant.name}: its input takes {spec.describe()}, and got the pixels as they are "
        f"stored{' (less 128)' if spec.dtype == 'int8' else ''}, as apps feed it ({preprocessing.describe()}).",
        advice="If it was trained with another resizing, crop or color order, name that with --preprocess.",
    )


def told_by_file(name: str, told: Told, preprocess: Any, labels: Any) -> list[Finding]:
    """Says what was taken from the model's own file, where the user named nothing else."""
    taken = []
    if told.preprocessing is not None and preprocess is None:
        taken.append(f"the preprocessing ({told.preprocessing.describe()})")
    if told.labels is not None and labels is None:
        taken.append(f"the {len(told.labels)} labels")
    if not taken:
        return []
    return [
        Finding(
            kind="told-by-file",
            message=f"{name} says of itself how it is used: {' and '.join(taken)} come from the metadata in its file.",
            advice="Name others with --preprocess and --labels.",
        )
    ]


def without_baseline(rows: Sequence[VariantReport], baseline: str | Path | None) -> list[Finding]:
    """Says why there is nothing to compare with, where a baseline was wanted."""
    row = next((row for row in rows if row.name == baseline), None)
    if row is None:
        return []
    why = {"failed": "failed", "skipped": "was skipped"}.get(row.status, "cannot run here")
    return [
        Finding(
            kind="no-baseline",
            message=f"The baseline {row.name} {why}, so no variant can be compared with it.",
            advice="Fix it first; finished work is then reused.",
        )
    ]


def skipped_samples(skipped: Sequence[str]) -> list[Finding]:
    """Says which samples could not be read."""
    if not skipped:
        return []
    text = f"Unreadable samples that were skipped: {len(skipped)} ({', '.join(skipped[:5])})."
    return [Finding(kind="unreadable-samples", message=text, advice="Repair or remove these files.")]


def stopped_early(scored: Scored) -> list[Finding]:
    """Says after how many samples variants left the evaluation."""
    if scored.stopped is None:
        return []
    record = scored.stopped.record
    counts = [len(scored.scores[name]["position"]) for name in scored.stopped.decisions]
    if min(counts) + len(scored.skipped) >= record.available:
        return []
    fewest, most = f"{min(counts):,}", f"{max(counts):,}"
    return [
        Finding(
            kind="stopped-early",
            message=f"Each variant was evaluated until {_question(scored, record.limit)} "
            f"(wrongly with a probability of at most {record.alpha:g}): on {fewest if fewest == most else f'{fewest} to {most}'} "
            f"of {record.available:,} samples. Other intervals and tests assume that n was fixed beforehand.",
            advice="Leave out --until-certain for figures on all samples.",
        )
    ]


def _question(scored: Scored, limit: float) -> str:
    if isinstance(scored.metric, ReferenceMetric):
        return (
            f"it was decided whether it agrees with {scored.wanted} on at least {(1 - limit) * 100:.4g}% of all samples"
        )
    return f"its drop was decided against the limit of {limit * 100:.3g} points"


def as_stream(stream: bool, runs: Iterable[ScoringJob]) -> list[Finding]:
    """Says what the samples' being one stream meant."""
    if not stream:
        return []
    keeping = [run.variant.name for run in runs if run.graph.keeps_state]
    whose = f"what {', '.join(keeping)} {'keeps' if len(keeping) == 1 else 'keep'} between inferences went on"
    return [
        Finding(
            kind="stream",
            message="The samples were evaluated as one stream (--stream), in their order: "
            + (f"{whose} from each to the next." if keeping else "no variant keeps state, so this made no difference."),
            advice="Leave out --stream if samples do not belong together.",
        )
    ]


def unlike_processors(machines: Mapping[str, str]) -> list[Finding]:
    """Notes that samples were run on machines whose processors differ, by the machine's name: kernels may round otherwise there."""
    if len(set(machines.values())) < 2:
        return []
    which = "; ".join(f"{name}: {cpu}" for name, cpu in sorted(machines.items()))
    return [
        Finding(
            kind="unlike-processors",
            message=f"Samples were run on machines with different processors ({which}), whose kernels may round differently.",
            advice="Where the last sample counts, evaluate on machines of one kind.",
        )
    ]
