"""How schemes that train are trained; what is not given has defaults that suit fine-tuning a trained model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tflitekit.core.errors import UsageError

__all__ = ["STRATEGIES", "TrainingOptions"]

STRATEGIES = ("one-device", "mirrored", "multi-worker")


@dataclass(frozen=True)
class TrainingOptions:
    """How training goes.

    Attributes:
        data: Labelled training data (see `open_dataset`).
        epochs: Of each stage.
        batch_size: Samples of one step, over all devices.
        learning_rate: The highest; it rises over the first steps and falls to zero as a cosine. 1e-4 for Adam and 1e-3 for
            SGD when not given, ten times that while pruning.
        optimizer: 'adam', 'sgd' (momentum 0.9), 'adamw', or ``module:function`` that takes the learning rate's schedule.
        loss: A loss of Keras by name, or ``module:function(y_true, y_pred)``. When not given: the one that the model was
            compiled with, else the one that labels and outputs call for.
        metric: ``module:function(y_true, y_pred)`` to show while training; accuracy for classes when not given. Which epoch
            is the best is decided by that accuracy, and without it by the loss.
        output: The output that the labels belong to; the first when not given.
        callbacks: ``module:function`` that returns tf_keras callbacks.
        function: ``module:function`` that trains in place of the kit's loop (see `tflitekit.training.run.loop`).
        augment: 'flip', 'crop', 'flip-crop' or ``module:function``.
        class_weights: 'balanced', or a JSON file with a weight for each class.
        validation: Data of their own; else ``validation_split`` of the training data is held out, seeded, by class.
        patience: Stop after so many epochs without a better validation loss; None for never.
        distill: Share of the loss that compares with the float model's outputs.
        temperature: Of the softmax that distillation compares.
        strategy: 'one-device' (a GPU where there is one), 'mirrored' (all GPUs of this machine) or 'multi-worker'
            (TF_CONFIG names the others).
        tensorboard: Whether to write logs for TensorBoard.
        strict: Refuse to leave a layer float.
        control: Also fine-tune the float model for the same steps, and quantize it after training.
        limit: Seeded, class-balanced sample of the training data.
    """

    data: Any
    epochs: int = 3
    batch_size: int = 32
    learning_rate: float | None = None
    optimizer: str = "adam"
    loss: str | None = None
    metric: str | None = None
    output: str | None = None
    callbacks: str | None = None
    function: str | None = None
    augment: str | None = None
    class_weights: str | None = None
    validation: Any = None
    validation_split: float = 0.1
    patience: int | None = None
    distill: float | None = None
    temperature: float = 2.0
    strategy: str = "one-device"
    tensorboard: bool = False
    strict: bool = False
    control: bool = False
    limit: int | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise UsageError(f"--{name.replace('_', '-')} must be at least 1, not {getattr(self, name)}.")
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise UsageError(
                f"A learning rate of {self.learning_rate:g} cannot be.", fix="Give a positive one, as 1e-4."
            )
        if not 0 <= self.validation_split < 1:
            raise UsageError(
                f"A validation split of {self.validation_split:g} cannot be.",
                fix="Give a share from 0 to below 1, as 0.1.",
            )
        if self.distill is not None and not 0 < self.distill <= 1:
            raise UsageError(f"--distill cannot be {self.distill:g}.", fix="Give a share of the loss, as in 0.5.")
        if self.strategy not in STRATEGIES:
            raise UsageError(f"There is no strategy '{self.strategy}'.", fix=f"Strategies: {', '.join(STRATEGIES)}.")
        if self.patience is not None and self.validation is None and not self.validation_split:
            raise UsageError("Early stopping needs validation data.", fix="Leave out --patience, or give --validation.")

    def shaping(self) -> dict[str, Any]:
        """Returns the options that shape the trained weights, as JSON: part of the keys of what was trained."""
        names = (
            "epochs", "batch_size", "learning_rate", "optimizer", "loss", "metric", "output", "callbacks", "function",
            "augment", "class_weights", "patience", "distill", "temperature", "strategy",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}
