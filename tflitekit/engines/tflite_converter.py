"""TensorFlow's converter: the engine of SavedModels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tflitekit.core.errors import ConversionError
from tflitekit.engines import op_advice
from tflitekit.engines.engine import Converted
from tflitekit.engines.samples import Samples
from tflitekit.schemes import Request
from tflitekit.schemes.advice import without_integer_kernels
from tflitekit.source.prepared import Exported, PreparedSource

__all__ = ["TfliteConverter", "explain"]


class TfliteConverter:
    """Converts a SavedModel; schemes set up the `tf.lite.TFLiteConverter`."""

    def convert(
        self,
        request: Request,
        exported: Exported,
        source: PreparedSource,
        samples: Samples | None,
        *,
        allow_select_tf_ops: bool,
    ) -> Converted:
        """See `Engine`."""
        import tensorflow as tf

        converter = tf.lite.TFLiteConverter.from_saved_model(str(exported.path))
        if request.calibrated:
            if samples is None:
                raise ConversionError(
                    f"{request.name}: needs calibration data.", fix="Give them with --calibration DATA."
                )
            converter.representative_dataset = lambda: samples.batches(source.batch)
        request.scheme.configure(converter, **request.own_options)
        if allow_select_tf_ops:
            converter.target_spec.supported_ops = [*converter.target_spec.supported_ops, tf.lite.OpsSet.SELECT_TF_OPS]
        try:
            with _calibrating_apart():
                return Converted(bytes(converter.convert()))
        except Exception as error:
            raise explain(request, error, allow_select_tf_ops, source.layers) from error


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


def explain(
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
            why=op_advice.advise(sorted(flex), "keras") or first[:500],
            fix=(
                "It computes in half precision: build it in float32 with the same weights, and export that."
                if re.search(r"\bx?b?f16>", text)
                else "The Flex delegate lacks them, too: replace them by supported layers."
                if allow_select_tf_ops
                else "Replace them by supported layers, or allow TensorFlow's own kernels with --allow-select-tf-ops "
                "(the app must then ship the Flex delegate, which adds megabytes)."
            ),
        )
    if "element_shape to be static" in text:
        names = ", ".join(f"'{name}'" for name in dict.fromkeys(re.findall(r'([^"/]+)/PartitionedCall@', text)))
        return ConversionError(
            f"{request.name}: a loop{f' (layer {names})' if names else ''}, as in GRU, LSTM and Bidirectional, collects "
            "values whose shape the model leaves open.",
            why="TensorFlow Lite's lists need it, and a SavedModel keeps the open batch inside its functions.",
            fix="Convert the .keras or .h5 file, or export the model with a batch of 1: keras.Input(shape, batch_size=1)."
            + ("" if allow_select_tf_ops else " Or allow TensorFlow's own kernels with --allow-select-tf-ops."),
        )
    operators = f" ({op_advice.describe({name: places.get(name, []) for name in unquantized})})" if unquantized else ""
    return ConversionError(
        f"{request.name}: the converter refused the model{operators}.",
        why=first[:800],
        fix=" ".join(filter(None, (op_advice.advise(unquantized, "keras"), without_integer_kernels(request)))) or None,
    )
