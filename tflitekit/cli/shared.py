"""What the commands share: the application, their options, and how errors become messages and exit codes."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tflitekit.core.errors import UsageError, as_known
from tflitekit.core.lifetime import Stopped, finished
from tflitekit.core.printable import dump_json

if TYPE_CHECKING:
    from tflitekit.conversion import ConvertOptions

__all__ = [
    "CALIBRATION_LIMIT",
    "INTERRUPTED",
    "SEED",
    "TIMEOUT_S",
    "Batch",
    "Calibration",
    "CalibrationLimit",
    "CustomObjects",
    "Data",
    "ErrorRate",
    "Files",
    "InputShape",
    "Jobs",
    "Json",
    "Labels",
    "Limit",
    "MaxAccuracyDrop",
    "MaxClassDrop",
    "Metric",
    "Model",
    "Out",
    "Output",
    "Preprocess",
    "Profile",
    "Protocol",
    "Schemes",
    "Seed",
    "SelectTfOps",
    "Signature",
    "Stream",
    "Threads",
    "Timeout",
    "UnsafeLoad",
    "UntilCertain",
    "app",
    "certainty",
    "check_limits",
    "convert_options",
    "guarded",
    "parse_counts",
    "parse_shapes",
    "parse_size",
    "print_json",
    "progress",
    "split_schemes",
]

app = typer.Typer(
    name="tflitekit",
    help="Convert a Keras model into every sensible TensorFlow Lite variant, measure each honestly, and choose one.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done; 1 a constraint or check is not met; 2 wrong use or input; 130 stopped by Ctrl-C, 143 by SIGTERM.",
)

INTERRUPTED = 130

Json = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON on standard output, and nothing else there.")
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")]
Data = Annotated[str, typer.Option("--data", help="Labelled data: folder of class folders, .npz, or module:function.")]
Calibration = Annotated[
    str | None,
    typer.Option("--calibration", help="Representative samples for full integer schemes; labels not needed."),
]
Schemes = Annotated[
    list[str] | None,
    typer.Option("--scheme", "-s", help="Scheme, with options as in int8:io=uint8; repeatable, or a,b."),
]
Preprocess = Annotated[str | None, typer.Option("--preprocess", help="Preset (see 'tflitekit presets') or JSON file.")]
Labels = Annotated[Path | None, typer.Option("--labels", help="Class names in output order: one a line, or JSON.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Evaluate on a seeded, class-balanced sample.")]
Metric = Annotated[str | None, typer.Option("--metric", help="Metric of your own: module:function(output, label).")]
Output = Annotated[
    str | None, typer.Option("--output", help="Name of the output that the labels belong to; the first if not given.")
]
MaxAccuracyDrop = Annotated[
    float | None,
    typer.Option(
        help="Largest accepted drop in percentage points (errors: in the metric's unit). [1.0 in optimize and with --until-certain]"
    ),
]
MaxClassDrop = Annotated[
    float | None, typer.Option(help="Largest accepted drop of any class's recall in percentage points.")
]
UntilCertain = Annotated[
    bool,
    typer.Option("--until-certain", help="Stop evaluating when every variant's drop is decided against its limit."),
]
ErrorRate = Annotated[
    float | None,
    typer.Option(help="With --until-certain: largest probability of a wrong decision, for each variant. [0.05]"),
]
Stream = Annotated[
    bool,
    typer.Option("--stream", help="The samples are one stream: a model's state goes on from each to the next."),
]
Threads = Annotated[
    str, typer.Option("--threads", help="Threads of the interpreter while measuring latency; several as 1,2,4.")
]
Protocol = Annotated[
    str,
    typer.Option("--protocol", help="Latency benchmark: quick, benchmark-model, mlperf-mobile or mlperf-tiny."),
]
Profile = Annotated[bool, typer.Option("--profile", help="Also find out where the time goes, by operator.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of every sample that is drawn.")]
CalibrationLimit = Annotated[int, typer.Option("--calibration-limit", min=1, help="Calibration samples to use.")]
Batch = Annotated[int, typer.Option("--batch", min=1, help="Batch size fixed in the converted model.")]
UnsafeLoad = Annotated[
    bool,
    typer.Option(
        "--unsafe-load",
        help="Load what a model names beyond Keras and mathematics, Lambda layers too: runs code from the file.",
    ),
]
SelectTfOps = Annotated[
    bool,
    typer.Option("--allow-select-tf-ops", help="Allow TensorFlow's own kernels; the app must ship the Flex delegate."),
]
Signature = Annotated[str | None, typer.Option("--signature", help="SavedModel signature to convert.")]
InputShape = Annotated[
    list[str] | None,
    typer.Option("--input-shape", help="Shape without batch, 224,224,3 or NAME=224,224,3; repeatable."),
]
CustomObjects = Annotated[
    str | None, typer.Option("--custom-objects", help="Module or .py file with the model's own layers.")
]
Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, help="Processes and threads; one per core if not given.")
]
Timeout = Annotated[float, typer.Option("--timeout", min=1, help="Seconds after which a conversion is given up.")]
Files = Annotated[list[Path], typer.Argument(help=".tflite files, made by the kit or not.", show_default=False)]
Model = Annotated[str, typer.Argument(help="Keras model (.keras, .h5) or SavedModel folder.", show_default=False)]

SEED = 20210
CALIBRATION_LIMIT = 500
TIMEOUT_S = 1800.0


_RESUMING = ("quickstart", "optimize", "convert", "suite")
_KEPT = (
    " Finished variants and measurements are kept; the same command continues where it was, "
    "a training from its last checkpoint."
)


def guarded(command: Callable[..., int | None]) -> Callable[..., None]:
    """Turns the kit's errors and Ctrl-C into messages and exit codes."""

    @functools.wraps(command)
    def run(*args: Any, **options: Any) -> None:
        try:
            code = command(*args, **options)
            finished()
        except (KeyboardInterrupt, Stopped) as stopped:
            finished()
            kept = command.__name__ in _RESUMING
            typer.echo(f"Stopped.{_KEPT if kept else ' Nothing was kept.'}", err=True)
            raise typer.Exit(getattr(stopped, "exit_code", INTERRUPTED)) from None
        except Exception as error:
            known = _without_working_directory() or as_known(error)
            if known is None:
                raise
            if options.get("as_json"):
                print_json({"error": known.to_json()})
            from tflitekit.cli.console import show_error

            show_error(known)
            raise typer.Exit(known.exit_code) from None
        raise typer.Exit(code or 0)

    return run


def _without_working_directory() -> UsageError | None:
    """Returns why anything may have failed where the working directory is gone."""
    try:
        Path.cwd()
    except OSError as error:
        return UsageError(
            f"The working directory cannot be used: {(error.strerror or str(error)).lower()}.",
            why="It was deleted or its rights were taken away after the shell went there.",
            fix="Change into a folder that exists and run the same command again.",
        )
    return None


def print_json(value: Any) -> None:
    """Prints JSON in what standard output can encode."""
    utf8 = (sys.stdout.encoding or "").lower().startswith("utf")
    sys.stdout.write(dump_json(value, ascii_only=not utf8) + "\n")


def progress() -> Any:
    from tflitekit.cli.console import Bars

    return Bars()


def parse_size(text: str | None) -> int | None:
    if text is None:
        return None
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([kKmMgG]?)(i?)[bB]?\s*", text)
    if not found:
        raise UsageError(f"'{text}' is not a size.", fix="Write 200kB, 1.5MB or 98304 (kB is 1000 bytes, KiB 1024).")
    number, prefix, binary = found.groups()
    base = 1024 if binary else 1000
    return int(float(number) * base ** " kmg".index(prefix.lower() or " "))


def certainty(until_certain: bool, error_rate: float | None) -> dict[str, Any]:
    """Returns the options of the verbs."""
    if error_rate is not None and not until_certain:
        raise UsageError("--error-rate is of use with --until-certain only.", fix="Give both, or neither.")
    return {"until_certain": until_certain} | ({} if error_rate is None else {"error_rate": error_rate})


def check_limits(**limits: float | None) -> None:
    """Refuses limits that cannot be."""
    for name, value in limits.items():
        if value is not None and not value >= 0:
            raise UsageError(f"--{name.replace('_', '-')} cannot be {value:g}.", fix="Give zero or more.")


def parse_counts(text: str | None, option: str) -> tuple[int, ...]:
    """Takes ``10,50,100`` for three numbers."""
    try:
        counts = tuple(int(part) for part in text.split(",")) if text is not None else ()
    except ValueError:
        counts = (0,)
    if counts and min(counts) < 1:
        raise UsageError(f"{option} cannot be '{text}'.", fix="Write numbers of samples, as in 10,50,100,500.")
    return counts


def parse_shapes(texts: list[str] | None) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for text in texts or ():
        name, _, dimensions = text.rpartition("=")
        try:
            shape = tuple(int(part) for part in dimensions.split(","))
        except ValueError:
            shape = ()
        if not shape or min(shape) < 1:
            raise UsageError(f"'{text}' is not a shape.", fix="Write 224,224,3 or NAME=224,224,3, without the batch.")
        shapes[name] = shape
    return shapes


def split_schemes(schemes: list[str] | None) -> list[str] | None:
    """Takes ``a,b:option=value,c`` for three schemes: a part with '=' and no ':' is a further option of the one before."""
    if schemes is None:
        return None
    found: list[str] = []
    for text in schemes:
        for index, part in enumerate(text.split(",")):
            if index and "=" in part and ":" not in part:
                found[-1] += f",{part}"
            elif part.strip():
                found.append(part.strip())
    return found


def convert_options(**options: Any) -> ConvertOptions:
    from tflitekit.conversion import ConvertOptions

    return ConvertOptions(**options)
