"""How schemes that train are trained; what is not given has defaults that suit fine-tuning a trained model."""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal

from pydantic import Field

from tflitekit.core.errors import UsageError
from tflitekit.options.base import Option, Options, Panel
from tflitekit.options.values import ByOutput, Text, output_weights

__all__ = ["TrainingOptions"]

_option = functools.partial(Option, Panel.TRAINING)


class TrainingOptions(Options):
    """How training goes.

    Attributes:
        data: Labelled training data (see `open_dataset`).
        epochs: Of each stage.
        batch_size: Samples of one step, over all devices.
        learning_rate: The highest; it rises over the first steps and falls to zero as a cosine. 1e-4 for Adam and 1e-3 for
            SGD when not given, ten times that while pruning.
        optimizer: 'adam', 'sgd' (momentum 0.9), 'adamw', or ``module:function`` that takes the learning rate's schedule.
        loss: A loss of Keras by name, or ``module:function(y_true, y_pred)``; by output, where several have labels. When not given: the
            one that the model was compiled with, else the one that labels and outputs call for.
        metric: ``module:function(y_true, y_pred)`` to show while training; accuracy for classes when not given. Which epoch
            is the best is decided by that accuracy, and without it by the loss.
        output: The output that the labels belong to; the first when not given. Where several have labels: the one to train, or weights of
            the losses as in ``a=0.7,b=0.3``; all of them when not given.
        ignore_label: Value of pixels in masks that count for nothing; that of evaluation in `optimize`, when not given.
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

    def __init__(self, data: Any = None, /, **given: Any) -> None:  # the data may come first, without their name
        super().__init__(**({} if data is None else {"data": data}), **given)

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # as in `Options`

    data: Annotated[
        Any,
        _option(
            "Labelled training data: folder of class folders, .npz, .csv, module:function, ... (docs/data.md).",
            ("--train",), repeatable=True, metavar="DATA", shapes=False,
        ),
    ]  # fmt: skip
    epochs: Annotated[int, Field(ge=1), _option("Epochs per training stage.")] = 3
    batch_size: Annotated[int, Field(ge=1), _option("Batch size in training, over all devices.")] = 32
    learning_rate: Annotated[
        float | None, Field(gt=0), _option("Peak learning rate; it rises at first, then falls to zero along a cosine.")
    ] = None
    optimizer: Annotated[str, _option("adam, adamw, sgd, or module:function(schedule).")] = "adam"
    loss: Annotated[
        ByOutput,
        _option(
            "Name of a Keras loss, or module:function(y_true, y_pred); OUTPUT=LOSS for one of several outputs with labels. Default: the model's own.",
            repeatable=True,
            metavar="LOSS",
        ),
    ] = Field(default_factory=dict)
    metric: Annotated[
        str | None, _option("module:function(y_true, y_pred) to show while training.", ("--train-metric",))
    ] = None
    output: str | None = None
    ignore_label: Annotated[int | None, Field(ge=0)] = None
    callbacks: Annotated[str | None, _option("module:function that returns tf_keras callbacks.")] = None
    function: Annotated[
        str | None, _option("module:function that replaces the kit's training loop.", ("--train-function",))
    ] = None
    augment: Annotated[str | None, _option("flip, crop, flip-crop, or module:function(x, seed).")] = None
    class_weights: Annotated[Text | None, _option("'balanced', or a JSON file with a weight for each class.")] = None
    validation: Annotated[
        Any,
        _option("Labelled data to validate on. Default: part of the training data.", metavar="DATA", shapes=False),
    ] = None
    validation_split: Annotated[
        float,
        Field(ge=0, lt=1),
        _option("Share of the training data held out for validation.", shapes=False),
    ] = 0.1
    patience: Annotated[
        int | None, Field(ge=1), _option("Stop after this many epochs without improvement on validation data.")
    ] = None
    distill: Annotated[
        float | None,
        Field(gt=0, le=1),
        _option("Weight of the float model's outputs in the loss, such as 0.5."),
    ] = None
    temperature: Annotated[float, Field(gt=0)] = 2.0
    strategy: Annotated[
        Literal["one-device", "mirrored", "multi-worker"],
        _option("one-device, mirrored (all GPUs) or multi-worker (TF_CONFIG)."),
    ] = "one-device"
    tensorboard: Annotated[bool, _option("Write logs for TensorBoard into OUT/tensorboard.", shapes=False)] = False
    strict: Annotated[bool, _option("Fail if quantization-aware training would leave a layer float.", shapes=False)] = (
        False
    )
    control: Annotated[
        bool,
        _option("Also fine-tune the float model for the same steps, and quantize it after training.", shapes=False),
    ] = False
    limit: Annotated[
        int | None,
        Field(ge=1),
        _option("Train on this many samples, drawn at random and balanced by class.", ("--train-limit",), shapes=False),
    ] = None

    @property
    def own_loss(self) -> str | None:
        """The loss that is named without an output."""
        return self.loss.get("")

    @property
    def weights(self) -> dict[str, float]:
        """The outputs that are trained, with the weights of their losses as shares of 1; empty where none is named."""
        return output_weights(self.output)

    def of(self, output: str) -> TrainingOptions:
        """Returns the same for one output: with its loss alone."""
        loss = self.loss.get(output, self.own_loss)
        return self.replaced(loss={} if loss is None else {"": loss})

    def model_post_init(self, context: Any) -> None:
        """Refuses what cannot be together."""
        if self.patience is not None and self.validation is None and not self.validation_split:
            raise UsageError("Early stopping needs validation data.", fix="Leave out --patience, or give --validation.")
