"""The verb *convert*: a Keras model in, checked ``.tflite`` variants with sidecars out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tflitekit.cluster.crew import crew_of
from tflitekit.cluster.depot import require_relative
from tflitekit.conversion.multi_worker import command_of, members_of, model_file, require_chief, train_along
from tflitekit.conversion.result import WORK_FOLDER, ConvertResult
from tflitekit.conversion.run import Conversion
from tflitekit.conversion.searching import refuse_without_clock
from tflitekit.conversion.spec import ConversionSpec
from tflitekit.core.errors import UsageError
from tflitekit.core.files import check_written, locked, require_utf8
from tflitekit.core.process.crew import THIS_MACHINE, Crew
from tflitekit.core.progress import Progress
from tflitekit.core.remote import at_hand
from tflitekit.data.dataset import Dataset, open_dataset
from tflitekit.hardware import default_schemes, load_profile
from tflitekit.options.base import takes
from tflitekit.options.convert import ConvertOptions, VariantOptions
from tflitekit.schemes import Request, available, parse_request, parse_requests
from tflitekit.search import SearchLimits
from tflitekit.source.foreign.module import on_disk
from tflitekit.source.models import recognize
from tflitekit.source.prepared import PreparedSource
from tflitekit.tflite.told import given_or_told
from tflitekit.training.distributed.rendezvous import Chief

__all__ = [
    "WORK_FOLDER",
    "ConversionSpec",
    "ConvertOptions",
    "ConvertResult",
    "check_needs",
    "convert",
    "convert_unlocked",
    "open_calibration",
    "require_chief",
    "with_controls",
    "with_output",
]


@takes(VariantOptions, "wanted")
def convert(
    model: Any,
    *,
    out: str | Path,
    wanted: VariantOptions,
    options: ConvertOptions | None = None,
    example_inputs: Any = None,
    progress: Progress | None = None,
) -> ConvertResult:
    """Converts a model with each scheme, in child processes; finished variants are reused.

    Args:
        model: A file or folder (Keras, SavedModel, float ``.tflite``, ONNX, ``.pt2``), a Keras model object, or a PyTorch module.
        out: Folder for ``NAME.tflite`` and ``NAME.json``.
        options: How the model is loaded and converted, and how schemes that train are trained.
        example_inputs: What a PyTorch module is called with, a tuple of tensors; for no other model.
        progress: Receives progress.

    Returns:
        All variants, finished or failed; a failed one has the reason in ``error``.

    Raises:
        TflitekitError: Wrong input, before anything is converted.

    Example:
        >>> result = tk.convert("model.keras", schemes=["int8"], calibration="photos/train", preprocess="0-1", out="build")
        >>> print([(variant.name, variant.size_bytes) for variant in result.variants])
    """
    out, options, progress = Path(out), options or ConvertOptions(), progress or Progress()
    model = at_hand(on_disk(model, example_inputs, out / WORK_FOLDER))
    requests = parse_requests(_schemes(wanted, options), wanted.rounding)
    if wanted.depot is not None and options.training is not None:
        require_relative(options.training.data)
    members = members_of(options)
    if members is not None and not members.is_chief:
        options = with_output(options, wanted.output)
        return train_along(members, model, _all_requests(requests, options), out, options, progress)
    with locked(out):
        preprocessing, labels = given_or_told(model, wanted.preprocess, wanted.labels)
        most = None if wanted.max_accuracy_drop is None else wanted.max_accuracy_drop / 100
        limits = SearchLimits(lost=most, unlike=most)
        spec = ConversionSpec(requests, wanted.calibration, preprocessing, labels, wanted.scored, limits=limits)
        data = open_calibration(model, spec, options)
        with crew_of(wanted.cluster, (str(out.resolve()),), progress, depot=wanted.depot) as crew:
            result = convert_unlocked(model, spec, data=data, out=out, options=options, progress=progress, crew=crew)
        check_written(result.files())
        return result


def _schemes(wanted: VariantOptions, options: ConvertOptions) -> Sequence[str | Request]:
    """Returns what was named, or what the profile of the hardware lists."""
    if wanted.deploy_on is None:
        return wanted.schemes or ()
    if wanted.schemes is not None:
        raise UsageError(
            "--scheme and --deploy-on both say what is made.",
            fix="Leave out one of them; 'tflitekit check FILE --on PROFILE' says what hardware would do with any file.",
        )
    return default_schemes(load_profile(wanted.deploy_on), training=options.training is not None)


def open_calibration(model: Any, spec: ConversionSpec, options: ConvertOptions) -> Dataset | None:
    """Opens the data to calibrate on; None where nobody needs any.

    Raises:
        TflitekitError: What is wrong with the model, the schemes or the data, as far as that is known before the model is loaded.
    """
    requests = _all_requests(spec.requests, options)
    check_needs(requests, spec.calibration, options, spec.curve, skip_unfit=spec.skip_unfit)
    if isinstance(model, str | Path):
        recognize(model)
    training = options.training
    calibration = training.data if spec.calibration is None and training is not None else spec.calibration
    data = None
    if calibration is not None and (spec.curve or any(r.calibrated for r in requests)):
        data = open_dataset(
            calibration, labels=spec.labels, limit=options.calibration_limit, seed=options.seed, need_labels=False
        )
    _check_curve(spec.curve, data)
    return data


def convert_unlocked(
    model: Any,
    spec: ConversionSpec,
    *,
    data: Dataset | None,
    out: Path,
    options: ConvertOptions,
    progress: Progress,
    check: Callable[[PreparedSource], object] | None = None,
    crew: Crew = THIS_MACHINE,
) -> ConvertResult:
    """`convert` for a caller that holds the folder's lock.

    Args:
        data: To calibrate on; see `open_calibration`.
        check: Called with what the loader found, before anything is converted or trained; refuses by raising.
        crew: Who does the work.
    """
    require_utf8(out, why="TensorFlow cannot write there.")
    spec = replace(spec, requests=_all_requests(spec.requests, options))
    refuse_without_clock(spec.requests, spec.clock)
    options = with_output(options, spec.output)
    members = members_of(options)
    chief = None
    if members is not None:
        chief = Chief(members, out / WORK_FOLDER, command_of(model_file(model), spec.requests, options), progress)
    out = out.resolve() if crew.spread else out
    return Conversion(model, spec, out, data, options, progress, chief, check, crew).run()


def check_needs(
    requests: Sequence[Request], calibration: Any, options: ConvertOptions, curve: Sequence[int], *, skip_unfit: bool
) -> None:
    """Raises `UsageError` where schemes, or a calibration curve, lack the data that they need.

    Args:
        calibration: Data to calibrate on, which are those to train on where none were given.
        skip_unfit: Whether schemes without calibration data are left out.
    """
    training = options.training
    untrained = [r.name for r in requests if r.stages and training is None]
    if untrained:
        raise UsageError(
            f"{', '.join(untrained)} need{'s' if len(untrained) == 1 else ''} training data, and none were given.",
            fix="Give labelled ones: --train DATA (a folder of class folders, .npz or module:function).",
        )
    calibration = training.data if calibration is None and training is not None else calibration
    lacking = [r.name for r in requests if r.calibrated and calibration is None]
    if lacking and not skip_unfit:
        raise UsageError(
            f"{', '.join(lacking)} need{'s' if len(lacking) == 1 else ''} calibration data, and none were given.",
            why="Full integer schemes measure the range of every activation on real samples; random data would give wrong ranges.",
            fix="Give a few hundred representative samples: --calibration DATA (a folder of images, .npz or module:function).",
        )
    if curve and calibration is None:
        raise UsageError(
            "A calibration curve needs calibration data.", fix="Give them with --calibration DATA, or leave it out."
        )


def with_output(options: ConvertOptions, output: str | None) -> ConvertOptions:
    """Lets training know the output that the labels belong to, or the weights of several."""
    training = options.training
    if training is None or training.output is not None or output is None:
        return options
    return options.replaced(training=training.replaced(output=output))


def _all_requests(requests: Sequence[Request], options: ConvertOptions) -> list[Request]:
    requests = _checked_requests(requests)
    return with_controls(requests) if options.training is not None and options.training.control else requests


def with_controls(requests: Sequence[Request]) -> list[Request]:
    """Adds what trained variants are compared with: the float model fine-tuned for as many stages, the same quantized after
    training, and the given model quantized after training."""
    rounds = sorted({len(r.stages) for r in requests if any(stage.kind != "finetune" for stage in r.stages)})
    wanted = ["int8"] if rounds else []
    for count in rounds:
        wanted += [f"finetuned:rounds={count}", f"finetuned:rounds={count},then=int8"]
    return list({r.name: r for r in (*requests, *map(parse_request, wanted))}.values())


def _check_curve(curve: Sequence[int], data: Dataset | None) -> None:
    if curve and data is not None and data.size is not None and max(curve) > data.size:
        raise UsageError(
            f"The calibration curve asks for {max(curve):,} samples, but there are {data.size:,} to calibrate on.",
            fix="Leave out that point, give more samples, or raise --calibration-limit.",
        )


def _checked_requests(requests: Sequence[Request]) -> list[Request]:
    if not requests:
        raise UsageError("No scheme was named.", fix=f"Choose from: {', '.join(available())}.")
    return list({request.name: request for request in requests}.values())
