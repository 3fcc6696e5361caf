"""What training did to a variant, and what of it can be verified in the finished file; part of sidecars and reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

__all__ = [
    "SIGNIFICANT",
    "CompressedLayer",
    "Compression",
    "EpochRecord",
    "OutputDrift",
    "Parity",
    "Score",
    "StageRecord",
    "ThreeWay",
    "TrainingRecord",
    "is_control",
]

SIGNIFICANT = 0.01

StageKind = Literal["finetune", "prune", "cluster", "quantize"]


def is_control(scheme: str | None, options: Mapping[str, Any]) -> bool:
    """Tells whether a variant is the float model, trained and not compressed: what others are compared with."""
    return scheme == "finetuned" and options.get("then", "float32") == "float32"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class EpochRecord(_Record):
    """One epoch: means over its training and validation samples.

    Attributes:
        epoch: From 1.
        metric: Of the training samples; None where nothing but the loss is measured. ``val_metric`` likewise.
        learning_rate: Of the last step.
    """

    epoch: int
    loss: float
    metric: float | None = None
    val_loss: float | None = None
    val_metric: float | None = None
    learning_rate: float
    seconds: float


class StageRecord(_Record):
    """One stage of training.

    Attributes:
        sparsity: Share of zeros that the stage makes or keeps; None for stages that care about none.
        clusters: Number of distinct weights per layer that the stage makes or keeps.
        epochs: Asked for; ``history`` has fewer where training stopped early. ``steps`` are those of all epochs.
        best_epoch: Whose weights were kept.
        stopped: Why it ended before all epochs: None, 'early stopping', or 'loss became NaN at step N'.
        resumed_at: Epochs after which a killed training continued.
    """

    kind: StageKind
    sparsity: float | None = None
    clusters: int | None = None
    epochs: int
    steps: int
    best_epoch: int
    stopped: str | None = None
    resumed_at: tuple[int, ...] = ()
    history: tuple[EpochRecord, ...] = ()
    seconds: float


class Parity(_Record):
    """How far two models differ on the same inputs.

    Attributes:
        max_abs_difference: The largest difference of any output value.
        tolerance: What is allowed: a rounding error, relative to the largest output value.
        samples: How many inputs were compared.
        origin: 'given' for real samples; 'random' for seeded ones.
    """

    max_abs_difference: float
    tolerance: float
    samples: int
    origin: Literal["given", "random"]


class Score(_Record):
    """The metric of one model with its 95 % interval; ``low`` and ``high`` are None where one sample gives none."""

    value: float
    low: float | None = None
    high: float | None = None


class OutputDrift(_Record):
    """What became of an output that has no labels.

    Attributes:
        training: How far the fake-quantized model is from the float one: the root mean square of the difference over the
            deviation of the values; of whole numbers the share that changed.
        conversion: How far the finished file is from the fake-quantized model, likewise.
    """

    output: str
    training: float
    conversion: float


class ThreeWay(_Record):
    """The float model, the fake-quantized one and the finished file on the same samples.

    Attributes:
        metric: Name of the metric; fractions for accuracies.
        origin: 'training' where no samples were held out: then accuracies are those of what was trained on.
        gap: Fake-quantized minus finished file, or the reverse for errors: positive is worse. Paired.
        gap_low: Lower end of its 95 % interval; a gap whose whole interval lies above 0 with a p-value below 0.01 is a failure.
        agreement: Share of samples on which the last two give the same class; None without classes.
        layer: Where the last two begin to differ, looked for only after a failure.
        others: The outputs that have no labels.
    """

    metric: str
    samples: int
    origin: Literal["validation", "training"] = "validation"
    float_model: Score
    fake_quantized: Score
    tflite: Score
    gap: float
    gap_low: float | None = None
    gap_high: float | None = None
    p_value: float = 1.0
    agreement: float | None = None
    layer: str | None = None
    others: tuple[OutputDrift, ...] = ()

    @property
    def is_failure(self) -> bool:
        """Whether the file is certainly worse than the model that was trained."""
        return self.gap_low is not None and self.gap_low > 0 and self.p_value < SIGNIFICANT


class TrainingRecord(_Record):
    """How a variant was trained.

    Attributes:
        data: Location of the training data.
        data_sha256: Of their content and labels, as `tflitekit.data.dataset.Dataset.fingerprint`; None where it is not known.
        samples: Trained on; ``validation_samples`` were held out.
        validation: 'split' for a part of the training data, or the location of data of their own.
        learning_rate: The highest of its schedule.
        steps: Of all stages.
        distill: Share of the loss that compares with the float model's outputs; None without.
        left_float: Layers that a stage with quantization left float.
        rebuilt: Proof that the model in Keras 2 computes what the given one does; ``annotated``: with layers replaced.
    """

    data: str
    data_sha256: str | None = None
    samples: int
    validation: str
    validation_samples: int
    loss: str
    optimizer: str
    learning_rate: float
    batch_size: int
    steps: int
    seed: int
    augmentation: str | None = None
    class_weights: str | None = None
    distill: float | None = None
    strategy: str = "one device"
    devices: tuple[str, ...] = ()
    metric: str | None = None
    stages: tuple[StageRecord, ...]
    left_float: tuple[str, ...] = ()
    rebuilt: Parity | None = None
    annotated: Parity | None = None
    three_way: ThreeWay | None = None
    notes: tuple[str, ...] = ()
    tensorboard: str | None = None


class CompressedLayer(_Record):
    """The weights of one operator of the finished file.

    Attributes:
        layer: The user's name of the layer.
        weights: How many.
        sparsity: Share of zeros.
        clusters: Distinct values: the most of any output channel, because each channel has its own scale.
        compressed: Whether the stage was to compress it; small and depthwise kernels are left alone.
    """

    layer: str
    weights: int
    sparsity: float
    clusters: int
    compressed: bool


class Compression(_Record):
    """Zeros and distinct weights, counted in the finished file.

    Attributes:
        sparsity: Share of zeros over the compressed layers' weights.
        clusters: The most distinct values in any channel of a compressed layer.
        target_sparsity: What was asked for; None for schemes that do not prune. ``target_clusters`` likewise.
    """

    target_sparsity: float | None = None
    target_clusters: int | None = None
    sparsity: float
    clusters: int
    layers: tuple[CompressedLayer, ...]
