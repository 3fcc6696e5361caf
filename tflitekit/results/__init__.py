"""The report and its parts: everything that is shown anywhere is rendered from these types.

Fractions are fractions (an accuracy of 0.764, a drop of 0.008); units stand in the names of all other fields.
``docs/report-schema.md`` describes them for people.
"""

from tflitekit.results.accuracy import (
    Adaptive,
    Agreement,
    CalibrationPoint,
    ClassRecall,
    Confidence,
    ConfidenceBin,
    Drop,
    Example,
    Flip,
    Flips,
    Measured,
    Picture,
    Sequential,
)
from tflitekit.results.base import Finding, Part, finite
from tflitekit.results.energy import Energy
from tflitekit.results.fidelity import ColumnFidelity, OutputFidelity, PartLoss
from tflitekit.results.latency import (
    Accelerator,
    BatteryState,
    Conditions,
    DeviceState,
    Figure,
    Latency,
    LatencyRatio,
    LoadState,
    OpTime,
    Profile,
    Samples,
    Sustained,
    TargetKind,
)
from tflitekit.results.migration import SCHEMA_VERSION
from tflitekit.results.on_target import Examination, OnTarget, Placement, Provenance, provenance_of
from tflitekit.results.report import (
    Constraints,
    DatasetRecord,
    OpRow,
    Recommendation,
    Rejection,
    Report,
    SourceRecord,
    VariantReport,
    read_report,
)

__all__ = [
    "SCHEMA_VERSION",
    "Accelerator",
    "Adaptive",
    "Agreement",
    "BatteryState",
    "CalibrationPoint",
    "ClassRecall",
    "ColumnFidelity",
    "Conditions",
    "Confidence",
    "ConfidenceBin",
    "Constraints",
    "DatasetRecord",
    "DeviceState",
    "Drop",
    "Energy",
    "Examination",
    "Example",
    "Figure",
    "Finding",
    "Flip",
    "Flips",
    "Latency",
    "LatencyRatio",
    "LoadState",
    "Measured",
    "OnTarget",
    "OpRow",
    "OpTime",
    "OutputFidelity",
    "Part",
    "PartLoss",
    "Picture",
    "Placement",
    "Profile",
    "Provenance",
    "Recommendation",
    "Rejection",
    "Report",
    "Samples",
    "Sequential",
    "SourceRecord",
    "Sustained",
    "TargetKind",
    "VariantReport",
    "finite",
    "provenance_of",
    "read_report",
]
