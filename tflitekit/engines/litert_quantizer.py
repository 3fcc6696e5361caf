"""The quantizer of LiteRT: the engine of float ``.tflite`` files. It needs no TensorFlow."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock

from tflitekit.core.errors import ConversionError, MissingDependencyError
from tflitekit.core.files import write_whole
from tflitekit.engines import op_advice
from tflitekit.engines.engine import Converted
from tflitekit.engines.quantizer_repairs import made_ready, mended, sized
from tflitekit.engines.quantizer_rules import written_rules
from tflitekit.engines.ranges import Range
from tflitekit.engines.rounding.for_recipe import check_made, round_for
from tflitekit.engines.samples import Batches, Samples
from tflitekit.engines.shared_ranges import shared_ranges
from tflitekit.engines.tables import with_small_tables
from tflitekit.engines.tflite_converter import TfliteConverter
from tflitekit.engines.weighted import Exceptions, exceptions
from tflitekit.schemes import ROUNDING, Recipe, Request, parse_request
from tflitekit.schemes.advice import without_integer_kernels
from tflitekit.source.prepared import Exported, Form, PreparedSource
from tflitekit.tflite.graph import Graph, Operator, parse_graph
from tflitekit.tflite.layers import layer_names

__all__ = ["LitertQuantizer", "float_file", "float_file_of", "refuse_loops", "require_quantizer", "rewrite"]

_LOOPS = ("WHILE", "IF", "CALL")


class LitertQuantizer:
    """Rewrites a float ``.tflite`` file as the scheme's recipe says."""

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
        assert request.scheme.recipe is not None
        recipe = request.scheme.recipe(request.options)
        if recipe.weights != "float32":
            require_quantizer(request, exported.form)
        content = float_file(exported, source, allow_select_tf_ops).read_bytes()
        if recipe.weights == "float32":
            return Converted(content)
        graph = parse_graph(content, f"{request.name}.tflite")
        _check(request, recipe, graph, source, samples)
        content = made_ready(content, activations=recipe.activations)
        batches = Batches(samples, source.batch) if samples is not None else None
        notes: tuple[str, ...] = ()
        if recipe.rounding == "gptq":
            assert batches is not None
            rounded = round_for(recipe, content, batches)
            content, notes = rounded.content, rounded.notes()
        made = _attempt(request, recipe, content, exported, source, batches)
        if recipe.activations is None:
            made = with_small_tables(made, recipe)
        if batches is not None and recipe.weights != "float16" and not recipe.block:
            notes += check_made(request.name, recipe, content, made, batches)
        return Converted(made, notes)


def require_quantizer(request: Request, form: Form) -> None:
    """Raises `MissingDependencyError` where it is not installed."""
    other = form == "saved_model" and request.scheme.by_converter and request.options.get(ROUNDING) != "gptq"
    try:
        import litert_quantizer.quantizer  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            f"{request.name}: needs litert-quantizer, which is not installed.",
            why=str(error),
            fix="Install it with: pip install 'tflitekit[quantize]'"
            + (f", or use TensorFlow's converter: {request.scheme.name}:engine=tflite_converter" if other else ""),
        ) from error


def _attempt(
    request: Request,
    recipe: Recipe,
    content: bytes,
    exported: Exported,
    source: PreparedSource,
    samples: Batches | None,
) -> bytes:
    """Does as `rewrite`, with the quantizer's errors in the user's words."""
    ranges = None
    if recipe.activations is not None:
        assert samples is not None
        ranges = shared_ranges(content, samples, exported)
        content = sized(content, next(iter(samples)))
    try:
        return rewrite(recipe, content, ranges, exceptions(content, recipe))
    except Exception as error:
        raise _explain(request, error, source) from error


def float_file_of(exported: Exported) -> Path:
    """Returns where the float file lies that the quantizer reads, which of a SavedModel TensorFlow's converter makes once for all schemes."""
    if exported.form == "tflite":
        return exported.path
    return Exported(exported.folder.with_name(f"{exported.folder.name}.float"), "tflite").path


def float_file(exported: Exported, source: PreparedSource, allow_select_tf_ops: bool) -> Path:
    """Returns that file, which is made where it is not there yet."""
    path = float_file_of(exported)
    if exported.form == "tflite":
        return path
    path.parent.mkdir(exist_ok=True)
    with FileLock(path.parent / "lock"):
        if not path.exists():
            plain = parse_request("float32")
            found = TfliteConverter().convert(plain, exported, source, None, allow_select_tf_ops=allow_select_tf_ops)
            write_whole(path, found.content)
    return path


def _check(request: Request, recipe: Recipe, graph: Graph, source: PreparedSource, samples: Samples | None) -> None:
    """Refuses what the quantizer would stumble over, in the user's words."""
    if request.calibrated and samples is None:
        raise ConversionError(f"{request.name}: needs calibration data.", fix="Give them with --calibration DATA.")
    if recipe.activations is not None:
        refuse_loops(request, graph, source)


def refuse_loops(request: Request, graph: Graph, source: PreparedSource) -> None:
    """Raises `ConversionError` where activations would have to be calibrated inside a loop."""
    loops = [operator for operator in graph.operators if operator.name in _LOOPS]
    if loops:
        layers = list(dict.fromkeys(filter(None, layer_names(loops, source.layers))))
        raise ConversionError(
            f"{request.name}: the quantizer cannot calibrate inside {op_advice.describe({loops[0].name: layers})}.",
            fix=f"Instead, {op_advice.without_loop(source.kind)}; or use float16 or dynamic_range, which need no calibration.",
        )


def rewrite(recipe: Recipe, content: bytes, ranges: dict[str, Range] | None, excepted: Exceptions) -> bytes:
    """Quantizes a file that `made_ready` has prepared.

    Args:
        ranges: Of each float tensor, by name; None where activations stay float.
        excepted: Operators that stay float or have int8 weights instead.
    """
    from litert_quantizer.quantizer import Quantizer

    quantizer = Quantizer(content, written_rules(recipe, excepted))
    made = quantizer.quantize(ranges, enable_progress_bar=False, enable_progress_report=False).quantized_model
    assert made is not None
    return mended(bytes(made))


def _explain(request: Request, error: Exception, source: PreparedSource) -> ConversionError:
    """Names the operator that the quantizer was at; its own words seldom do."""
    operator, scope = _place(error)
    where = ""
    if operator:
        (layer,) = layer_names([Operator(operator, (), (scope,))], source.layers)
        where = f" at {op_advice.describe({operator: [layer or scope]})}"
    return ConversionError(
        f"{request.name}: the quantizer failed{where}.",
        why=f"{type(error).__name__}: {' '.join(str(error).split())[:800]}",
        fix=without_integer_kernels(request) or "Try another scheme.",
    )


def _place(error: Exception) -> tuple[str, str]:
    """Returns the operator and its output tensors that the quantizer's innermost frame was at; empty where none was."""
    found = ("", "")
    trace = error.__traceback__
    while trace is not None:
        names = trace.tb_frame.f_locals
        if "op_key" in names and "op_scope" in names:
            found = str(getattr(names["op_key"], "value", names["op_key"])), str(names["op_scope"]).strip(";")
        trace = trace.tb_next
    return found
