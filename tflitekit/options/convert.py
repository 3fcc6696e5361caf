"""How a model is loaded and converted."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from tflitekit.options.base import Option, Options, Panel
from tflitekit.options.cluster import ClusterOptions
from tflitekit.options.evaluate import SampleOptions
from tflitekit.options.general import InputShapes, JobOptions
from tflitekit.options.search import SearchOptions
from tflitekit.options.training import TrainingOptions
from tflitekit.options.values import Schemes, Text

__all__ = ["ConvertOptions", "CustomObjects", "LoadOptions", "SchemeOptions", "UnsafeLoad", "VariantOptions"]

UnsafeLoad = Annotated[
    bool,
    Option(
        Panel.MODEL,
        "Also load Lambda layers and other names from outside Keras; this can run code from the file.",
        shapes=False,
    ),
]
CustomObjects = Annotated[
    Text | None, Option(Panel.MODEL, "Module or .py file that defines the model's custom layers.", metavar="MODULE")
]


class LoadOptions(Options):
    """How a model is loaded.

    Attributes:
        batch: Fixed in the converted model.
        input_shapes: Shapes without batch by input name, for models that have none; '' is the only input.
        custom_objects: Module that defines or registers the model's own layers.
        converter_python: Counts in the key of what is reused by the versions that it has.
    """

    batch: Annotated[int, Field(ge=1), Option(Panel.MODEL, "Fixed batch size of the converted model.")] = 1
    unsafe_load: UnsafeLoad = False
    signature: Annotated[str | None, Option(Panel.MODEL, "SavedModel signature to convert.", metavar="NAME")] = None
    input_shapes: InputShapes = Field(default_factory=dict)
    custom_objects: CustomObjects = None
    layout: Annotated[
        Literal["auto", "keep", "nhwc"],
        Option(
            Panel.MODEL,
            "Of ONNX and PyTorch inputs of rank 4: move channels last (nhwc) or leave them (keep). auto: move where there are 1, 3 or 4.",
        ),
    ] = "auto"
    converter_python: Annotated[
        Text | None,
        Option(
            Panel.MODEL,
            "Python of your own environment, which converts the ONNX or PyTorch model. Default: that of 'tflitekit setup'.",
            ("--with",),
            metavar="PYTHON",
            shapes=False,
        ),
    ] = None


class WorkOptions(JobOptions, SearchOptions):
    """How models are converted, whichever they are.

    Attributes:
        calibration_limit: Seeded, class-balanced sample of the calibration data.
        timeout_s: A conversion that takes longer is a recorded failure. Training takes as long as it takes.
    """

    calibration_limit: Annotated[int, Field(ge=1), Option(Panel.DATA, "Number of calibration samples to use.")] = 500
    allow_select_tf_ops: Annotated[
        bool, Option(Panel.MODEL, "Allow TensorFlow operators; the app must then include the Flex delegate.")
    ] = False
    timeout_s: Annotated[
        float,
        Field(ge=1),
        Option(Panel.OUTPUT, "Time limit of each conversion in seconds.", ("--timeout",), shapes=False),
    ] = 1800.0


class ConvertOptions(LoadOptions, WorkOptions):
    """How a model is loaded and converted.

    Attributes:
        training: How schemes that train are trained; None without training data.
    """

    training: TrainingOptions | None = None


Rounding = Annotated[
    Literal["nearest", "gptq"] | None,
    Option(
        Panel.MODEL,
        "How weights become int8 or int4: each to its nearest value, or by GPTQ, so that outputs change least (needs calibration data, no labels). Default: nearest.",
    ),
]


class SchemeOptions(Options):
    """What is made.

    Attributes:
        rounding: Of all schemes that have the option and are not told theirs, as in ``int8:rounding=gptq``.
    """

    schemes: Annotated[
        Schemes | None,
        Option(
            Panel.MODEL,
            "Scheme, with options as in int8:io=uint8. Repeatable, or a,b.",
            ("--scheme", "-s"),
            repeatable=True,
            metavar="SCHEME",
        ),
    ] = None
    rounding: Rounding = None
    calibration: Annotated[
        Any,
        Option(Panel.DATA, "Representative samples for full integer schemes; they need no labels.", metavar="DATA"),
    ] = None


class VariantOptions(SchemeOptions, SampleOptions, ClusterOptions):
    """What is made of a model, and what its samples mean.

    Attributes:
        deploy_on: Instead of ``schemes``: the profile of the hardware, which lists them.
    """

    deploy_on: Annotated[
        str | None,
        Option(
            Panel.MODEL,
            "Instead of --scheme: hardware that the model is meant for, a name of 'tflitekit hardware' or a .toml file. Makes what 'optimize' tries for it.",
            metavar="PROFILE",
        ),
    ] = None
    max_accuracy_drop: Annotated[
        float | None,
        Field(ge=0),
        Option(
            Panel.LIMITS,
            "Of mixed and repaired: the most that may be lost, in percentage points (without classes, in percent of an output's variance). [default: 1, or 5]",
        ),
    ] = None
