"""tflitekit: from a Keras model to the TensorFlow Lite file that ships, with the evidence.

The verbs are functions with keyword-only options; importing this package loads neither TensorFlow nor NumPy::

    import tflitekit as tk

    report = tk.optimize("model.keras", data="photos/test", calibration="photos/train", out="build")
    print(report.recommendation.chosen)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tflitekit._version import __version__

if TYPE_CHECKING:
    from tflitekit.apk import inspect_apk
    from tflitekit.benchmarking import benchmark
    from tflitekit.bundling import Bundle, bundle, read_bundle
    from tflitekit.comparison import Comparison, compare
    from tflitekit.contract import Contract
    from tflitekit.conversion import ConvertOptions, ConvertResult, convert
    from tflitekit.dataset import Dataset, open_dataset
    from tflitekit.errors import TflitekitError
    from tflitekit.evaluation import Evaluation, evaluate
    from tflitekit.graph import Graph, read_graph
    from tflitekit.merging import merge
    from tflitekit.optimization import optimize
    from tflitekit.preprocessing import Preprocessing
    from tflitekit.recommendation import recommend
    from tflitekit.results import Constraints, Recommendation, Report, read_report
    from tflitekit.tensor import TensorSpec
    from tflitekit.training.options import TrainingOptions
    from tflitekit.training.preflight import preflight
    from tflitekit.variant import Variant, load_variant

__all__ = [
    "Bundle",
    "Comparison",
    "Constraints",
    "Contract",
    "ConvertOptions",
    "ConvertResult",
    "Dataset",
    "Evaluation",
    "Graph",
    "Preprocessing",
    "Recommendation",
    "Report",
    "TensorSpec",
    "TflitekitError",
    "TrainingOptions",
    "Variant",
    "__version__",
    "benchmark",
    "bundle",
    "compare",
    "convert",
    "evaluate",
    "inspect",
    "inspect_apk",
    "load_variant",
    "merge",
    "open_dataset",
    "optimize",
    "preflight",
    "read_bundle",
    "read_graph",
    "read_report",
    "recommend",
]

_HOMES = {
    "inspect_apk": "apk", "benchmark": "benchmarking", "Bundle": "bundling", "bundle": "bundling", "read_bundle": "bundling", "Comparison": "comparison", "compare": "comparison", "Contract": "contract",
    "TensorSpec": "tensor", "ConvertOptions": "conversion", "ConvertResult": "conversion", "convert": "conversion", "Dataset": "dataset", "open_dataset": "dataset",
    "TflitekitError": "errors", "Evaluation": "evaluation", "evaluate": "evaluation", "Graph": "graph",
    "read_graph": "graph", "merge": "merging", "optimize": "optimization", "Preprocessing": "preprocessing", "recommend": "recommendation",
    "Constraints": "results", "Recommendation": "results", "Report": "results", "read_report": "results",
    "Variant": "variant", "load_variant": "variant", "TrainingOptions": "training.options", "preflight": "training.preflight",
}  # fmt: skip


def inspect(path: Any) -> Graph:
    """Reads what stands in a ``.tflite`` file: see `tflitekit.graph.read_graph`."""
    from tflitekit.graph import read_graph

    return read_graph(path)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tflitekit' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"tflitekit.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
