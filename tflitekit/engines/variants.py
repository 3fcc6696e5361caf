"""Makes one variant in a worker: converts, writes, checks the scheme's promise on the file, and runs it once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tflitekit.core.errors import ConversionError, DataError, ModelError
from tflitekit.core.files import content_hash, deflated_size, write_whole
from tflitekit.core.machine import machine_name
from tflitekit.data.calibration import CalibrationSet
from tflitekit.data.contract import Contract
from tflitekit.data.preprocessing import Preprocessing
from tflitekit.data.sound_format import SoundFormat
from tflitekit.engines import op_advice
from tflitekit.engines.choice import choose, other_engine
from tflitekit.engines.engine import Converted, Engine
from tflitekit.engines.litert_quantizer import LitertQuantizer
from tflitekit.engines.samples import Samples
from tflitekit.engines.stored_weights import check_weights
from tflitekit.engines.tflite_converter import TfliteConverter
from tflitekit.schemes import EngineName, Promise, Request, find
from tflitekit.schemes.advice import without_integer_kernels
from tflitekit.source.prepared import Exported, PreparedSource
from tflitekit.tflite.graph import Graph, read_graph
from tflitekit.tflite.layers import layer_names
from tflitekit.tflite.search_record import SearchRecord
from tflitekit.tflite.training_record import TrainingRecord
from tflitekit.tflite.variant import Variant, ordered_outputs, primary_meaning, tool_versions

__all__ = ["convert", "make_file", "make_variant"]

_SMALL_WEIGHT_BYTES = 4096


_ENGINES: dict[EngineName, Engine] = {"tflite_converter": TfliteConverter(), "litert_quantizer": LitertQuantizer()}


# Above 60 lines: about half of them name and explain the arguments.
def make_variant(
    *,
    scheme: str,
    options: Mapping[str, Any],
    exported: str,
    source: Mapping[str, Any],
    source_sha256: str,
    calibration: Mapping[str, Any] | None,
    preprocessing: Mapping[str, Any],
    labels: Sequence[str] | None,
    allow_select_tf_ops: bool,
    out: str,
    work: str,
    key: str,
    sound: Mapping[str, Any] | None = None,
    trained: Mapping[str, Any] | None = None,
    found: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Converts with one scheme and writes ``name.tflite`` and its sidecar.

    Args:
        exported: The folder that the source was exported into.
        work: Folder for the file until it is checked.
        trained: What `tflitekit.training.run.plan.Trained.for_variant` gives, for a model that was trained.
        found: What `tflitekit.search.run.Found.for_variant` gives, for a file that a search made.

    Returns:
        The `Variant` as JSON.

    Raises:
        ConversionError: The converter refused, the file breaks the scheme's promise, or it does not run.
    """
    started = time.perf_counter()
    request = Request(find(scheme), dict(options))
    prepared = PreparedSource.model_validate(source)
    calibrated = CalibrationSet.model_validate(calibration) if calibration else None
    target = Path(out) / f"{request.name}.tflite"
    candidate = Path(work) / f"{request.name}-{key[:8]}.candidate.tflite"
    record = TrainingRecord.model_validate(trained["record"]) if trained else None
    left_float = record is not None and bool(record.left_float)
    graph, warnings = make_file(
        request,
        prepared,
        Exported(Path(exported), prepared.form),
        calibrated,
        allow_select_tf_ops,
        candidate,
        left_float,
        Converted(Path(found["file"]).read_bytes()) if found is not None else None,
    )
    if record is not None and record.left_float:
        warnings.append(f"Layers left float: {', '.join(record.left_float)} ('tflitekit preflight' says why).")
    runnable = not graph.select_tf_ops
    contract = _contract(graph, prepared, preprocessing, sound, labels)
    compression = None
    if trained is not None and record is not None:
        from tflitekit.engines.verification import verify

        record, compression, doubts = verify(request.name, candidate, contract, record, trained, runnable)
        warnings += doubts
    engine, why = _made_by(request, prepared)
    variant = Variant(
        name=request.name,
        scheme=scheme,
        options=request.options,
        status="ok",
        engine=engine,
        engine_why=why,
        machine=machine_name(),
        file=target.name,
        folder=target.parent,
        sha256=content_hash(candidate),
        size_bytes=graph.size_bytes,
        deflated_bytes=deflated_size(candidate),
        integer_op_fraction=graph.integer_op_fraction,
        min_runtime_version=graph.min_runtime_version,
        contract=contract,
        warnings=tuple(warnings),
        source_sha256=source_sha256,
        key=key,
        versions=tool_versions(),
        layers=prepared.layers,
        conversion_s=round(time.perf_counter() - started, 3),
        runnable=runnable,
        training=record,
        compression=compression,
        proof=prepared.proof if trained is None else None,
        search=SearchRecord.model_validate(found["record"]) if found is not None else None,
    )
    variant.save()  # first, because it can fail for want of space; the rename cannot
    candidate.replace(target)
    return variant.model_dump(mode="json")


def _made_by(request: Request, source: PreparedSource) -> tuple[EngineName | None, str | None]:
    """Returns what makes the bytes and why, as fields of `Variant`; nothing where they are those of the source."""
    chosen, recipe = choose(request, source), request.scheme.recipe
    copied = chosen.engine == "litert_quantizer" and recipe is not None and recipe(request.options).weights == "float32"
    return (None, None) if copied else chosen


def _contract(
    graph: Graph,
    source: PreparedSource,
    preprocessing: Mapping[str, Any],
    sound: Mapping[str, Any] | None,
    labels: Sequence[str] | None,
) -> Contract:
    outputs = ordered_outputs(graph, source.outputs)
    return Contract(
        inputs=graph.inputs,
        outputs=outputs,
        preprocessing=Preprocessing.model_validate(preprocessing),
        sound=SoundFormat.model_validate(sound) if sound else None,
        labels=tuple(labels) if labels else None,
        output_meaning=primary_meaning(graph, outputs),
    )


def make_file(
    request: Request,
    source: PreparedSource,
    exported: Exported,
    samples: Samples | None,
    allow_select_tf_ops: bool,
    path: Path,
    left_float: bool,
    made: Converted | None = None,
) -> tuple[Graph, list[str]]:
    """Converts with one scheme, writes the file, and checks that it keeps the scheme's promise and runs.

    Args:
        samples: For calibration and the run; zeros where there are none.
        left_float: Whether the model was trained with layers left float, which are excepted from the promise.
        made: The file, where a search made it; it was compared with the float model then.

    Returns:
        What the file holds, and what users should know.

    Raises:
        ConversionError: The converter refused, the file breaks the promise, or it does not run.
    """
    made = made or convert(request, exported, source, samples, allow_select_tf_ops=allow_select_tf_ops)
    write_whole(path, made.content)
    graph = read_graph(path)
    promise = request.scheme.promise(request.options)
    if left_float:
        promise = replace(promise, integer_only=False)
    _check_promise(request, promise, graph, source, allow_select_tf_ops)
    warnings = [*made.notes, *_warnings(request, promise, graph, source)]
    if promise.every_weight:
        warnings += check_weights(request, promise, path, source.layers)
    if not graph.select_tf_ops:
        warnings += _invoke_once(request.name, path, graph, samples)
    return graph, warnings


def convert(
    request: Request,
    exported: Exported,
    source: PreparedSource,
    samples: Samples | None,
    *,
    allow_select_tf_ops: bool,
) -> Converted:
    """Returns the file that the scheme's engine makes of what was exported.

    Raises:
        ConversionError: The scheme does not take it, or the engine refuses the model.
    """
    engine = choose(request, source).engine
    if engine is None:
        raise ConversionError(
            f"{request.name}: the scheme needs TensorFlow's converter, which takes Keras models and SavedModels, not .tflite files.",
            fix="Give the model that the file was made from, or use another scheme.",
        )
    return _ENGINES[engine].convert(request, exported, source, samples, allow_select_tf_ops=allow_select_tf_ops)


def _check_promise(
    request: Request, promise: Promise, graph: Graph, source: PreparedSource, allow_select_tf_ops: bool
) -> None:
    name = request.name
    if graph.select_tf_ops and not allow_select_tf_ops:
        raise ConversionError(
            f"{name}: the file needs the TensorFlow ops {', '.join(graph.select_tf_ops)}.",
            fix="Allow them with --allow-select-tf-ops, or replace them by supported layers.",
        )
    for ours, theirs in ((graph.inputs, source.inputs), (graph.outputs, source.outputs)):
        wanted = {spec.name: promise.io if spec.dtype.startswith("float") else spec.dtype for spec in theirs}
        for spec in ours:
            if spec.name in wanted and spec.dtype != wanted[spec.name]:
                raise ConversionError(
                    f"{name}: promised {wanted[spec.name]} for '{spec.name}', and the file has {spec.dtype}."
                )
        missing = set(wanted) - {spec.name for spec in ours}
        if missing:
            raise ConversionError(f"{name}: the file lost the tensors {', '.join(sorted(missing))}.")
    if promise.integer_only:
        left = _left_float(graph)
        if left:
            places = op_advice.describe(op_advice.of_graph(graph, left, source.layers))
            raise ConversionError(
                f"{name}: the scheme promises integers only, but these operators stayed float: {places}.",
                why=op_advice.advise(left, source.kind) or None,
                fix=other_engine(request, source) or without_integer_kernels(request),
            )


def _left_float(graph: Graph) -> list[str]:
    return list(dict.fromkeys(op.name for op in graph.ops if op.compute in ("float32", "float16", "hybrid")))


def _warnings(request: Request, promise: Promise, graph: Graph, source: PreparedSource) -> list[str]:
    found = [request.scheme.caution] if request.scheme.caution else []
    total = sum(graph.weight_bytes_by_dtype.values())
    kept = graph.weight_bytes_by_dtype.get(promise.weights, 0)
    if promise.weights != "float32" and not kept and total:
        found.append(
            f"No weight was stored as {promise.weights}: the converter leaves weights with fewer than 1,024 elements alone."
            if total < 64 * _SMALL_WEIGHT_BYTES
            else f"No weight was stored as {promise.weights}."
        )
    if request.scheme.name == "int8_float_fallback":
        left = _left_float(graph)
        if left:
            places = op_advice.describe(op_advice.of_graph(graph, left, source.layers))
            found.append(f"Operators left in float: {places}. {op_advice.advise(left, source.kind)}".strip())
    if graph.select_tf_ops:
        found.append(
            f"Needs the Flex delegate for {', '.join(graph.select_tf_ops)}; "
            "it adds megabytes to the app, and is not in the LiteRT wheel: nothing was measured here."
        )
    if any(op.name == "WHILE" for op in graph.ops):
        loops = [op for op in graph.operators if op.name == "WHILE"]
        names = sorted({name for name in layer_names(loops, source.layers) if name})
        found.append(
            f"A WHILE loop is left{' of ' + ', '.join(names) if names else ''}: an LSTM or GRU was not fused, which is slow and cannot "
            f"be delegated. Instead: {op_advice.without_loop(source.kind)}."
        )
    if promise.integer_only and any(op.name == "CAST" and op.compute == "conversion" for op in graph.ops):
        whole = [
            f"'{spec.name}' ({spec.dtype})" for spec in graph.inputs if "int" in spec.dtype and not spec.quantization
        ]
        found.append(
            f"Integers{' of the inputs ' + ', '.join(whole) if whole else ''} become float and are quantized (CAST, QUANTIZE), "
            "which accelerators leave to the CPU. A float32 input in the model would become the scheme's own integers."
        )
    if graph.keeps_state:
        found.append(
            "The file keeps state from one inference to the next, as an LSTM does: set it to zero before each new sequence "
            "(resetVariableTensors() in Java, reset_all_variables() in Python)."
            if graph.resettable
            else "The file keeps values in variables from one inference to the next, which the runtime cannot reset: load it "
            "anew before each new sequence."
        )
    if graph.dynamic_tensors:
        found.append(f"{len(graph.dynamic_tensors)} tensors have dynamic shapes, which delegates reject.")
    if graph.unknown_op_versions:
        found.append(f"Not in the table of minimum runtimes: {', '.join(graph.unknown_op_versions)}.")
    return found


def _invoke_once(name: str, path: Path, graph: Graph, calibration: Samples | None) -> list[str]:
    """Runs the file in LiteRT on a calibration sample, or on zeros where there is none and it fixes all sizes."""
    from tflitekit.tflite.runtime import Model, zeros

    if graph.open_inputs and calibration is None:
        return [
            f"Not run when it was converted: the size of its input '{graph.open_inputs[0].name}' is open, and no calibration "
            "sample tells one."
        ]
    try:
        model = Model(path, graph=graph)
        sample = next(calibration.batches(model.batch)) if calibration else {}
        outputs = model.run([sample.get(spec.name, zeros(spec)) for spec in graph.inputs])
    except (DataError, ModelError) as error:
        raise ConversionError(
            f"{name}: converted, but does not run.", why=f"{error.what} {error.why}", fix=error.fix
        ) from error
    if calibration and not all(np.isfinite(o).all() for o in outputs if o.dtype.kind == "f"):
        return ["NaN or infinite values in the output on a calibration sample."]
    return []
