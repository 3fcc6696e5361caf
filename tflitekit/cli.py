"""The command line. Each command parses, calls one verb, and shows what it returns."""

from __future__ import annotations

import functools
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tflitekit._version import __version__
from tflitekit.errors import TflitekitError, UsageError

if TYPE_CHECKING:
    from tflitekit.conversion import ConvertOptions
    from tflitekit.results import Report, VariantReport

__all__ = ["app", "main"]

app = typer.Typer(
    name="tflitekit",
    help="Convert a Keras model into every sensible TensorFlow Lite variant, measure each honestly, and choose one.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done; 1 a constraint or check is not met; 2 wrong use or input; 130 stopped by Ctrl-C.",
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
Output = Annotated[str | None, typer.Option("--output", help="Name of the output to score; the first if not given.")]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads of the interpreter while measuring latency.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of every sample that is drawn.")]
CalibrationLimit = Annotated[int, typer.Option("--calibration-limit", min=1, help="Calibration samples to use.")]
Batch = Annotated[int, typer.Option("--batch", min=1, help="Batch size fixed in the converted model.")]
UnsafeLoad = Annotated[bool, typer.Option("--unsafe-load", help="Load Lambda layers: runs code from the file.")]
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

_SEED = 20210
_CALIBRATION_LIMIT = 500
_TIMEOUT_S = 1800.0


def _guarded(command: Callable[..., int | None]) -> Callable[..., None]:
    """Turns the kit's errors and Ctrl-C into messages and exit codes."""

    @functools.wraps(command)
    def run(*args: Any, **options: Any) -> None:
        try:
            code = command(*args, **options)
        except TflitekitError as error:
            from tflitekit.console import show_error

            if options.get("as_json"):
                _print_json({"error": error.to_json()})
            show_error(error)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            typer.echo(
                "Stopped. Finished variants and measurements are kept; the same command continues where it was.",
                err=True,
            )
            raise typer.Exit(INTERRUPTED) from None
        raise typer.Exit(code or 0)

    return run


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _progress() -> Any:
    from tflitekit.console import Bars

    return Bars()


def _parse_size(text: str | None) -> int | None:
    if text is None:
        return None
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([kKmMgG]?)(i?)[bB]?\s*", text)
    if not found:
        raise UsageError(f"'{text}' is not a size.", fix="Write 200kB, 1.5MB or 98304 (kB is 1000 bytes, KiB 1024).")
    number, prefix, binary = found.groups()
    base = 1024 if binary else 1000
    return int(float(number) * base ** " kmg".index(prefix.lower() or " "))


def _parse_shapes(texts: list[str] | None) -> dict[str, tuple[int, ...]]:
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


def _split(schemes: list[str] | None) -> list[str] | None:
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


def _convert_options(**options: Any) -> ConvertOptions:
    from tflitekit.conversion import ConvertOptions

    return ConvertOptions(**options)


@app.command()
@_guarded
def quickstart(out: Out = Path("quickstart"), as_json: Json = False) -> int:
    """The whole job offline: trains a small model on embedded digits and optimizes it."""
    from tflitekit.quickstart import quickstart as run

    report = run(out, progress=_progress())
    code = _show_report(report, out, as_json)
    if not as_json:
        from tflitekit.console import stdout

        stdout.print(
            f"\nThe same on the command line:\n  tflitekit optimize {out}/digits.keras --data {out}/digits/test "
            f"--calibration {out}/digits/train --labels {out}/labels.txt --preprocess 0-1 --out {out}",
            markup=False,
            soft_wrap=True,
        )
    return code


@app.command()
@_guarded
def optimize(
    model: Model,
    data: Data,
    calibration: Calibration = None,
    scheme: Schemes = None,
    preprocess: Preprocess = None,
    labels: Labels = None,
    max_accuracy_drop: Annotated[
        float | None,
        typer.Option(help="Largest accepted drop in percentage points (errors: in the metric's unit). [1.0]"),
    ] = None,
    max_size: Annotated[str | None, typer.Option(help="Largest accepted file, as in 200kB.")] = None,
    max_latency: Annotated[
        float | None, typer.Option(help="Largest accepted median latency in ms, on the target.")
    ] = None,
    deploy_on: Annotated[
        str, typer.Option(help="'phone': this host's latency decides nothing. 'host': the model runs on this machine.")
    ] = "phone",
    out: Out = Path("build"),
    limit: Limit = None,
    metric: Metric = None,
    output: Output = None,
    threads: Threads = 1,
    calibration_limit: CalibrationLimit = _CALIBRATION_LIMIT,
    batch: Batch = 1,
    unsafe_load: UnsafeLoad = False,
    allow_select_tf_ops: SelectTfOps = False,
    signature: Signature = None,
    input_shape: InputShape = None,
    custom_objects: CustomObjects = None,
    jobs: Jobs = None,
    timeout: Timeout = _TIMEOUT_S,
    seed: Seed = _SEED,
    as_json: Json = False,
) -> int:
    """Converts with every scheme, measures each variant, and recommends one."""
    from tflitekit.optimization import optimize as run
    from tflitekit.results import Constraints

    if deploy_on not in ("phone", "host"):
        raise UsageError(f"--deploy-on cannot be '{deploy_on}'.", fix="It takes phone or host.")
    for name, value in (("--max-accuracy-drop", max_accuracy_drop), ("--max-latency", max_latency)):
        if value is not None and value < 0:
            raise UsageError(f"{name} cannot be negative.")
    report = run(
        model,
        data=data,
        out=out,
        calibration=calibration,
        schemes=_split(scheme),
        preprocess=preprocess,
        labels=labels,
        limit=limit,
        metric=metric,
        output=output,
        constraints=Constraints(
            max_accuracy_drop=max_accuracy_drop,
            max_size_bytes=_parse_size(max_size),
            max_latency_ms=max_latency,
            deploy_on=deploy_on,
        ),
        threads=threads,
        seed=seed,
        options=_convert_options(
            calibration_limit=calibration_limit,
            batch=batch,
            unsafe_load=unsafe_load,
            allow_select_tf_ops=allow_select_tf_ops,
            signature=signature,
            input_shapes=_parse_shapes(input_shape),
            custom_objects=custom_objects,
            jobs=jobs,
            timeout_s=timeout,
            seed=seed,
        ),
        progress=_progress(),
    )
    code = _show_report(report, out, as_json)
    asked_and_failed = scheme is not None and any(v.status == "failed" for v in report.variants)
    return 1 if asked_and_failed else code


def _show_report(report: Report, out: Path, as_json: bool) -> int:
    if as_json:
        _print_json(report.to_json())
    else:
        from tflitekit.console import show_report, stdout

        show_report(report)
        names = {v.name for v in report.variants}
        older = sorted(path.name for path in out.glob("*.tflite") if path.stem not in names)
        if older:
            stdout.print(f"\nAlso in {out}, from earlier runs: {', '.join(older)}.", style="dim", markup=False)
        reused = [v.name for v in report.variants if v.reused and v.status == "ok"]
        if reused:
            stdout.print(f"\nReused from an earlier run: {', '.join(reused)}.", style="dim", markup=False)
        stdout.print(
            f"\nWritten to {out}: the .tflite files with sidecars, report.json and report.md", style="dim", markup=False
        )
    return 0 if report.recommendation is not None and report.recommendation.constraints_met else 1


@app.command()
@_guarded
def convert(
    model: Model,
    scheme: Schemes = None,
    calibration: Calibration = None,
    preprocess: Preprocess = None,
    labels: Labels = None,
    out: Out = Path("build"),
    calibration_limit: CalibrationLimit = _CALIBRATION_LIMIT,
    batch: Batch = 1,
    unsafe_load: UnsafeLoad = False,
    allow_select_tf_ops: SelectTfOps = False,
    signature: Signature = None,
    input_shape: InputShape = None,
    custom_objects: CustomObjects = None,
    jobs: Jobs = None,
    timeout: Timeout = _TIMEOUT_S,
    seed: Seed = _SEED,
    as_json: Json = False,
) -> int:
    """Converts a model with the schemes that you name."""
    from tflitekit.conversion import convert as run
    from tflitekit.schemes import available

    if not scheme:
        raise UsageError("No scheme was named.", fix=f"Give one or more of --scheme {'|'.join(available())}.")
    result = run(
        model,
        schemes=_split(scheme) or (),
        out=out,
        calibration=calibration,
        preprocess=preprocess,
        labels=labels,
        options=_convert_options(
            calibration_limit=calibration_limit,
            batch=batch,
            unsafe_load=unsafe_load,
            allow_select_tf_ops=allow_select_tf_ops,
            signature=signature,
            input_shapes=_parse_shapes(input_shape),
            custom_objects=custom_objects,
            jobs=jobs,
            timeout_s=timeout,
            seed=seed,
        ),
        progress=_progress(),
    )
    if as_json:
        source = result.source.model_dump(mode="json") | {
            "location": result.source_location,
            "sha256": result.source_sha256,
        }
        _print_json(
            {"source": source, "variants": [v.model_dump(mode="json") | {"reused": v.reused} for v in result.variants]}
        )
    else:
        from rich.text import Text

        from tflitekit.console import show_table, show_warnings, stdout
        from tflitekit.report import text

        show_table(
            ("File", "Status", "Size", "Deflated", "Integer", "Runtime"),
            [
                (
                    v.file or v.name,
                    "reused" if v.reused else v.status,
                    text.size(v.size_bytes),
                    text.size(v.deflated_bytes),
                    "–" if v.integer_op_fraction is None else f"{v.integer_op_fraction:.0%}",
                    f">= {v.min_runtime_version}" if v.min_runtime_version else "–",
                )
                for v in result.variants
            ],
        )
        stdout.print(f"In {out}, each with its sidecar.", style="dim", markup=False)
        for variant in result.variants:
            if variant.error:
                stdout.print(Text.assemble((f"{variant.name} {variant.status}: ", "red"), variant.error))
        notes = [*result.source.notes, *(f"{v.name}: {w}" for v in result.variants for w in v.warnings)]
        show_warnings(notes)
    return 1 if any(v.status == "failed" for v in result.variants) else 0


@app.command()
@_guarded
def evaluate(
    files: Files,
    data: Data,
    preprocess: Preprocess = None,
    labels: Labels = None,
    limit: Limit = None,
    metric: Metric = None,
    output: Output = None,
    baseline: Annotated[
        Path | None, typer.Option(help="File to compare with; float32 or the first if not given.")
    ] = None,
    jobs: Jobs = None,
    seed: Seed = _SEED,
    as_json: Json = False,
) -> int:
    """Measures the accuracy of .tflite files on the same samples."""
    from tflitekit.evaluation import evaluate as run

    found = run(
        files,
        data=data,
        preprocess=preprocess,
        labels=labels,
        limit=limit,
        metric=metric,
        output=output,
        baseline=baseline,
        jobs=jobs,
        seed=seed,
        progress=_progress(),
    )
    if as_json:
        _print_json(
            {
                "dataset": found.dataset.model_dump(mode="json"),
                "baseline": found.baseline,
                "variants": [v.model_dump(mode="json") for v in found.variants],
                "warnings": list(found.warnings),
            }
        )
    else:
        _show_evaluation(found.variants, found.baseline, list(found.warnings))
    return 1 if any(v.status == "failed" for v in found.variants) else 0


def _show_evaluation(variants: tuple[VariantReport, ...], baseline: str | None, warnings: list[str]) -> None:
    from tflitekit.console import show_table, show_warnings
    from tflitekit.report import text

    rows = []
    for v in variants:
        agreement = f"{v.agreement.value:.2%}" if v.agreement else "–"
        others = ", ".join(f"{m.metric} {m.value:.4g}" for m in v.other_metrics) or "–"
        n = f"{v.accuracy.n:,}" if v.accuracy else v.status
        rows.append((v.name, text.size(v.size_bytes), n, text.accuracy(v), others, agreement, text.drop(v, baseline)))
    columns = ("File", "Size", "n", "Accuracy", "Other metrics", "Agreement", "Change")
    kept = [i for i in range(len(columns)) if i == 0 or any(row[i] != "–" for row in rows)]
    show_table(tuple(columns[i] for i in kept), [tuple(row[i] for i in kept) for row in rows])
    warnings += [f"{v.name}: {w}" for v in variants for w in (*v.warnings, *([v.error] if v.error else []))]
    show_warnings(warnings)


@app.command()
@_guarded
def benchmark(
    files: Files,
    threads: Threads = 1,
    runs: Annotated[int | None, typer.Option(min=1, help="At least this many measured runs.")] = None,
    target: Annotated[str, typer.Option(help="Where to run.")] = "host",
    as_json: Json = False,
) -> int:
    """Measures initialization, latency and peak memory of .tflite files, each in a fresh process."""
    from tflitekit.benchmarking import benchmark as run

    rows = run(files, threads=threads, target=target, runs=runs, progress=_progress())
    if as_json:
        _print_json({"variants": [row.model_dump(mode="json") for row in rows]})
        return 0
    from tflitekit.console import show_table, stdout
    from tflitekit.report import text

    cells = []
    for row in rows:
        found = row.latency
        assert found is not None
        times = (found.init_ms, found.first_ms, found.median_ms, found.p90_ms, found.p99_ms)
        cells.append(
            (row.name, *(text.milliseconds(t) for t in times), f"{found.runs:,}", text.size(row.peak_memory_bytes))
        )
    columns = ("File", "Init ms", "First ms", "p50 ms", "p90 ms", "p99 ms", "Runs", "Peak memory")
    show_table(columns, cells)
    latency = rows[0].latency
    assert latency is not None
    stdout.print(
        f"{latency.target}, {latency.machine.get('cpu', '?')}, {threads} thread{'s' if threads > 1 else ''}, "
        f"{latency.runtime}. Figures of this host say little about a phone.",
        style="dim",
        markup=False,
    )
    return 0


@app.command()
@_guarded
def inspect(
    file: Annotated[Path, typer.Argument(help="A .tflite file.", show_default=False)], as_json: Json = False
) -> int:
    """Shows operators, tensors, sizes and the minimum runtime of a .tflite file."""
    from tflitekit.graph import read_graph

    graph = read_graph(file)
    if as_json:
        _print_json({"file": str(file)} | graph.to_json())
    else:
        from tflitekit.console import show_graph

        show_graph(str(file), graph)
    return 0


@app.command()
@_guarded
def report(
    folder: Annotated[Path, typer.Argument(help="Folder with report.json, or the file.", show_default=False)],
    as_json: Json = False,
) -> int:
    """Shows a finished report again, and writes report.md anew from its JSON."""
    from tflitekit.files import write_whole
    from tflitekit.report import markdown
    from tflitekit.results import read_report

    found = read_report(folder)
    home = folder if folder.is_dir() else folder.parent
    write_whole(home / "report.md", markdown.render(found))
    if as_json:
        _print_json(found.to_json())
        return 0
    from tflitekit.console import show_report, stdout

    show_report(found)
    stdout.print(f"\nWritten: {home / 'report.md'}", style="dim", markup=False)
    return 0


@app.command()
@_guarded
def schemes(as_json: Json = False) -> int:
    """Lists the schemes: what each does, needs and promises."""
    from tflitekit.schemes import available

    found = available().values()
    if as_json:
        _print_json([
            {
                "name": s.name,
                "summary": s.summary,
                "help": s.help,
                "needs": s.needs,
                "options": {k: list(v) if isinstance(v, tuple) else v.__name__ for k, v in s.options.items()},
            }
            for s in found
        ])  # fmt: skip
        return 0
    from tflitekit.console import show_table

    rows = []
    for s in found:
        options = " ".join(
            f"{k}={'|'.join(map(str, v)) if isinstance(v, tuple) else v.__name__}" for k, v in s.options.items()
        )
        rows.append((s.name, s.needs, options or "–", s.summary))
    show_table(("Scheme", "Needs", "Options", "What it does"), rows)
    return 0


@app.command()
@_guarded
def presets(as_json: Json = False) -> int:
    """Lists the preprocessing presets; with --json, as the fields that a JSON file may have."""
    from tflitekit.preprocessing import PRESETS

    if as_json:
        _print_json({name: preset.model_dump(mode="json") for name, preset in PRESETS.items()})
        return 0
    from tflitekit.console import show_table

    show_table(("Preset", "What happens to a pixel p (0 to 255)"), [
        (name, preset.describe().partition(": ")[2]) for name, preset in PRESETS.items()
    ])  # fmt: skip
    return 0


@app.command()
@_guarded
def doctor(as_json: Json = False) -> int:
    """Checks this installation: versions, CPU features that matter to kernels, what is missing and how to get it."""
    from tflitekit.doctor import diagnose

    found = diagnose()
    if as_json:
        _print_json(found)
    else:
        from tflitekit.console import show_table, stdout

        show_table(("Package", "Version", "State", "For"), [
            (p["name"], p["version"] or "–", p["state"], p["purpose"]) for p in found["packages"]
        ])  # fmt: skip
        machine = found["machine"]
        features = ", ".join(f"{name} {'yes' if has else 'no'}" for name, has in machine["kernel_features"].items())
        stdout.print(
            f"{machine['cpu']}, {machine['cores']} cores, {machine['architecture']}, {machine['system']}", markup=False
        )
        stdout.print(f"CPU features that kernels use: {features}", markup=False)
        for problem in found["problems"]:
            stdout.print(f"• {problem}", style="yellow", markup=False)
        if not found["problems"]:
            stdout.print("Everything that conversion and measurement need is here.", style="green")
    return 1 if found["problems"] else 0


def _version(value: bool) -> None:
    if value:
        typer.echo(f"tflitekit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    del version


def main() -> None:
    """Entry point of the ``tflitekit`` command."""
    app()


if __name__ == "__main__":
    main()
