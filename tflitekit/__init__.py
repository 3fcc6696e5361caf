"""tflitekit: from a Keras model to the TensorFlow Lite file that ships, with the evidence.

The verbs are functions with keyword-only options; importing this package loads neither TensorFlow nor NumPy::

    import tflitekit as tk

    report = tk.optimize("model.keras", data="photos/test", calibration="photos/train", out="build")
    print(report.recommendation.chosen)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tflitekit._version import __version__
from tflitekit.core.lazy import lazily

if TYPE_CHECKING:
    from tflitekit.accuracy.evaluation import Evaluation, evaluate
    from tflitekit.apk import inspect_apk
    from tflitekit.bundling import Bundle, bundle, read_bundle
    from tflitekit.conversion import ConvertResult, convert
    from tflitekit.core.errors import TflitekitError
    from tflitekit.core.tensor import TensorSpec
    from tflitekit.data.contract import Contract
    from tflitekit.data.dataset import Dataset, open_dataset
    from tflitekit.data.preprocessing import Preprocessing
    from tflitekit.explanation.explain import explain
    from tflitekit.hardware import Judgement, check
    from tflitekit.latency.benchmarking import benchmark
    from tflitekit.latency.merging import merge
    from tflitekit.optimization.optimize import optimize
    from tflitekit.options.convert import ConvertOptions
    from tflitekit.options.limits import Constraints
    from tflitekit.options.training import TrainingOptions
    from tflitekit.results import Recommendation, Report, read_report
    from tflitekit.results.comparison import Comparison, compare
    from tflitekit.results.explanation import Explanation
    from tflitekit.results.recommendation import recommend
    from tflitekit.store import Store, open_store
    from tflitekit.store.history import History, history
    from tflitekit.tflite.graph import Graph, read_graph
    from tflitekit.tflite.variant import Variant, load_variant
    from tflitekit.training.preflight import preflight

__all__ = [
    "Bundle",
    "Comparison",
    "Constraints",
    "Contract",
    "ConvertOptions",
    "ConvertResult",
    "Dataset",
    "Evaluation",
    "Explanation",
    "Graph",
    "History",
    "Judgement",
    "Preprocessing",
    "Recommendation",
    "Report",
    "Store",
    "TensorSpec",
    "TflitekitError",
    "TrainingOptions",
    "Variant",
    "__version__",
    "benchmark",
    "bundle",
    "check",
    "compare",
    "convert",
    "evaluate",
    "explain",
    "history",
    "inspect",
    "inspect_apk",
    "load_variant",
    "merge",
    "open_dataset",
    "open_store",
    "optimize",
    "preflight",
    "read_bundle",
    "read_graph",
    "read_report",
    "recommend",
]

_HOMES = {
    "inspect_apk": "apk", "benchmark": "latency.benchmarking", "Bundle": "bundling", "bundle": "bundling", "read_bundle": "bundling", "Comparison": "results.comparison", "compare": "results.comparison", "Contract": "data.contract",
    "TensorSpec": "core.tensor", "ConvertOptions": "options.convert", "ConvertResult": "conversion", "convert": "conversion", "Dataset": "data.dataset", "open_dataset": "data.dataset",
    "TflitekitError": "core.errors", "Evaluation": "accuracy.evaluation", "evaluate": "accuracy.evaluation", "explain": "explanation.explain", "Explanation": "results.explanation", "Graph": "tflite.graph",
    "read_graph": "tflite.graph", "merge": "latency.merging", "optimize": "optimization.optimize", "Preprocessing": "data.preprocessing", "recommend": "results.recommendation", "Judgement": "hardware", "check": "hardware",
    "Constraints": "options.limits", "Recommendation": "results", "Report": "results", "read_report": "results",
    "Store": "store", "open_store": "store", "History": "store.history", "history": "store.history",
    "Variant": "tflite.variant", "load_variant": "tflite.variant", "TrainingOptions": "options.training", "preflight": "training.preflight",
}  # fmt: skip


def inspect(path: Any) -> Graph:
    """Reads the content of a ``.tflite`` file without running it; the same as `read_graph`.

    Args:
        path: The file.

    Returns:
        Its tensors, operators and metadata.

    Raises:
        ModelError: The file is missing, is not a TensorFlow Lite model, or is truncated.

    Example:
        >>> print(tk.inspect("build/int8.tflite").min_runtime_version)
    """
    from tflitekit.tflite.graph import read_graph

    return read_graph(path)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__getattr__ = lazily("tflitekit", _HOMES)
