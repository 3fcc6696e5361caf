"""Builds one variant in a worker: converts, writes, checks the scheme's promise on the file, and runs it once."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tflitekit.core.errors import ConversionError, DataError, ModelError
from tflitekit.core.files import content_hash, deflated_size, write_whole
from tflitekit.data.calibration import CalibrationSet
from tflitekit.data.contract import Contract
from tflitekit.data.preprocessing import Preprocessing
from tflitekit.engines import op_advice
from tflitekit.schemes import Promise, Request, find
from tflitekit.schemes.advice import without_integer_kernels
from tflitekit.source.prepared import PreparedSource
from tflitekit.tflite.graph import Graph, read_graph
from tflitekit.tflite.layers import layer_names
from tflitekit.tflite.training_record import TrainingRecord
from tflitekit.tflite.variant import Variant, ordered_outputs, primary_meaning, tool_versions

__all__ = ["build", "check_file"]

_SMALL_WEIGHT_BYTES = 4096


class Samples(Protocol):
    """Preprocessed inputs, as `CalibrationSet` has them."""

    def batches(self, batch: int) -> Iterator[dict[str, Any]]:
        """Returns arrays ``(batch, ...)`` by input name."""


def build(
    *,
    scheme: str,
    options: Mapping[str, Any],
    saved_model: str,
    source: Mapping[str, Any],
    source_sha256: str,
    calibration: Mapping[str, Any] | None,
    preprocessing: Mapping[str, Any],
    labels: Sequence[str] | None,
    allow_select_tf_ops: bool,
    out: str,
    work: str,
    key: str,
    trained: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Converts with one scheme and writes ``name.tflite`` and its sidecar.

    Args:
        work: Folder for the file until it is checked.
        trained: What `tflitekit.training.run.plan.Trained.for_build` gives, for a model that was trained.

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
    graph, warnings = check_file(
        request, prepared, Path(saved_model), calibrated, allow_select_tf_ops, candidate, left_float
    )
    if record is not None and record.left_float:
        warnings.append(f"Layers left float: {', '.join(record.left_float)} ('tflitekit preflight' says why).")
    runnable = not graph.select_tf_ops
    outputs = ordered_outputs(graph, prepared.outputs)
    contract = Contract(
        inputs=graph.inputs,
        outputs=outputs,
        preprocessing=Preprocessing.model_validate(preprocessing),
        labels=tuple(labels) if labels else None,
        output_meaning=primary_meaning(graph, outputs),
    )
    compression = None
    if trained is not None and record is not None:
        from tflitekit.engines.verification import verify

        record, compression, doubts = verify(request.name, candidate, contract, record, trained, runnable)
        warnings += doubts
    variant = Variant(
        name=request.name,
        scheme=scheme,
        options=request.options,
        status="ok",
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
    )
    variant.save()  # first, because it can fail for want of space; the rename cannot
    candidate.replace(target)
    return variant.model_dump(mode="json")


def check_file(
    request: Request,
    source: PreparedSource,
    saved_model: Path,
    samples: Samples | None,
    allow_select_tf_ops: bool,
    path: Path,
    left_float: bool,
) -> tuple[Graph, list[str]]:
    """Converts with one scheme, writes the file, and checks that it keeps the scheme's promise and runs.

    Args:
        samples: For calibration and the run; zeros where there are none.
        left_float: Whether the model was trained with layers left float, which are excepted from the promise.

    Returns:
        What stands in the file, and what users should know.

    Raises:
        ConversionError: The converter refused, the file breaks the promise, or it does not run.
    """
    write_whole(path, _convert(request, source, saved_model, samples, allow_select_tf_ops))
    graph = read_graph(path)
    promise = request.scheme.promise(request.options)
    if left_float:
        promise = replace(promise, integer_only=False)
    _check_promise(request, promise, graph, source, allow_select_tf_ops)
    warnings = _warnings(request, promise, graph, source.layers)
    if not graph.select_tf_ops:
        warnings += _invoke_once(request.name, path, graph, samples)
    return graph, warnings


def _convert(
    request: Request,
    source: PreparedSource,
    saved_model: Path,
    calibration: Samples | None,
    allow_select_tf_ops: bool,
) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    if request.calibrated:
        if calibration is None:
            raise ConversionError(f"{request.name}: needs calibration data.", fix="Give them with --calibration DATA.")
        batch = max(1, source.inputs[0].shape[0])
        converter.representative_dataset = lambda: calibration.batches(batch)
    request.scheme.configure(converter, **request.options)
    if allow_select_tf_ops:
        converter.target_spec.supported_ops = [*converter.target_spec.supported_ops, tf.lite.OpsSet.SELECT_TF_OPS]
    try:
        with _calibrating_apart():
            return bytes(converter.convert())
    except Exception as error:
        raise _explain(request, error, allow_select_tf_ops, source.layers) from error


@contextmanager
def _calibrating_apart() -> Iterator[None]:
    """Lets TensorFlow's calibrator begin each sample at the model's initial state: it resets variables only at the first
    sample that it is given, so it is given each as the first."""
    from tensorflow.lite.python.optimize.calibrator import Calibrator

    feed = Calibrator._feed_tensors

    def feed_apart(calibrator: Any, samples: Callable[[], Iterable[Any]], resize_input: bool) -> None:
        for sample in samples():
            feed(calibrator, lambda one=sample: iter([one]), resize_input)

    Calibrator._feed_tensors = feed_apart
    try:
        yield
    finally:
        Calibrator._feed_tensors = feed


def _explain(
    request: Request, error: Exception, allow_select_tf_ops: bool, layers: Sequence[str] = ()
) -> ConversionError:
    """Says in the user's words why the converter refused."""
    text = str(error)
    flex = set(re.findall(r"'tf\.([A-Za-z0-9_]+)' op is neither a custom op nor a flex op", text))
    for line in re.findall(r"^\s*(?:TF Select|Custom) ops: (.+)$", text, re.MULTILINE):
        flex.update(name.strip() for name in line.split(","))
    unquantized = sorted(
        set(re.findall(r"(?:'tfl\.(?=[a-z0-9_]+' op quantized)|supported for op: ')([A-Za-z0-9_]+)'", text))
    )
    places = op_advice.of_operations(op_advice.located(text), layers)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = next((line for line in lines if "error:" in line), lines[0] if lines else type(error).__name__)
    if flex:
        return ConversionError(
            f"{request.name}: the model uses operators that TensorFlow Lite does not have: "
            f"{op_advice.describe({name: places.get(name, []) for name in sorted(flex)})}.",
            why=op_advice.advise(sorted(flex)) or first[:500],
            fix=(
                "It computes in half precision: build it in float32 with the same weights, and export that."
                if re.search(r"\bx?b?f16>", text)
                else "The Flex delegate does not have them either: replace them by supported layers."
                if allow_select_tf_ops
                else "Replace them by supported layers, or allow TensorFlow's own kernels with --allow-select-tf-ops "
                "(the app must then ship the Flex delegate, which adds megabytes)."
            ),
        )
    if "element_shape to be static" in text:
        names = ", ".join(f"'{name}'" for name in dict.fromkeys(re.findall(r'([^"/]+)/PartitionedCall@', text)))
        return ConversionError(
            f"{request.name}: a loop{f' (layer {names})' if names else ''}, as GRU, LSTM and Bidirectional have it, collects "
            "values whose shape the model leaves open.",
            why="TensorFlow Lite's lists need it, and a SavedModel keeps the open batch inside of its functions.",
            fix="Convert the .keras or .h5 file, or export the model with a batch of 1: keras.Input(shape, batch_size=1)."
            + ("" if allow_select_tf_ops else " Or allow TensorFlow's own kernels with --allow-select-tf-ops."),
        )
    operators = f" ({op_advice.describe({name: places.get(name, []) for name in unquantized})})" if unquantized else ""
    return ConversionError(
        f"{request.name}: the converter refused the model{operators}.",
        why=first[:800],
        fix=" ".join(filter(None, (op_advice.advise(unquantized), without_integer_kernels(request)))) or None,
    )


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
                f"{name}: promised integers only, and these operators stayed float: {places}.",
                why=op_advice.advise(left) or None,
                fix=without_integer_kernels(request),
            )


def _left_float(graph: Graph) -> list[str]:
    return list(dict.fromkeys(op.name for op in graph.ops if op.compute in ("float32", "float16", "hybrid")))


def _warnings(request: Request, promise: Promise, graph: Graph, layers: Sequence[str]) -> list[str]:
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
            places = op_advice.describe(op_advice.of_graph(graph, left, layers))
            found.append(f"Operators left in float: {places}. {op_advice.advise(left)}".strip())
    if graph.select_tf_ops:
        found.append(
            f"Needs the Flex delegate for {', '.join(graph.select_tf_ops)}; "
            "it adds megabytes to the app, and is not in the LiteRT wheel: nothing was measured here."
        )
    if any(op.name == "WHILE" for op in graph.ops):
        loops = [op for op in graph.operators if op.name == "WHILE"]
        names = sorted({name for name in layer_names(loops, layers) if name})
        found.append(
            f"A WHILE loop is left{' of ' + ', '.join(names) if names else ''}: an LSTM or GRU was not fused, which is slow and cannot "
            f"be delegated. Instead: {op_advice.UNROLL}."
        )
    if promise.integer_only and any(op.name == "CAST" and op.compute == "conversion" for op in graph.ops):
        whole = [
            f"'{spec.name}' ({spec.dtype})" for spec in graph.inputs if "int" in spec.dtype and not spec.quantization
        ]
        found.append(
            f"Integers{' of the inputs ' + ', '.join(whole) if whole else ''} become float and are quantized (CAST, QUANTIZE), "
            "which accelerators leave to the CPU. A float32 input in the Keras model would become the scheme's own integers."
        )
    if graph.keeps_state:
        found.append(
            "The file keeps state from one inference to the next, as of an LSTM: set it to zero before each new sequence "
            "(resetVariableTensors() in Java, reset_all_variables() in Python)."
            if graph.resettable
            else "The file keeps values in variables from one inference to the next, which the runtime cannot reset: load it "
            "anew before each new sequence."
        )
    if graph.dynamic_tensors:
        found.append(f"{len(graph.dynamic_tensors)} tensors have dynamic shapes, which delegates refuse.")
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
