"""The report and its parts: everything that is shown anywhere is rendered from these types.

Fractions are fractions (an accuracy of 0.764, a drop of 0.008); units stand in the names of all other fields.
``docs/report-schema.md`` describes them for people.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tflitekit.contract import Contract
from tflitekit.errors import ModelError
from tflitekit.statistics import PairedDifference
from tflitekit.tensor import TensorSpec
from tflitekit.variant import Variant

__all__ = [
    "SCHEMA_VERSION",
    "Agreement",
    "ClassRecall",
    "Constraints",
    "DatasetRecord",
    "Drop",
    "Latency",
    "Measured",
    "Recommendation",
    "Rejection",
    "Report",
    "SourceRecord",
    "VariantReport",
    "read_report",
]

# History: 1 - first version.
SCHEMA_VERSION = 1


def finite(value: float) -> float | None:
    """Returns the value, or None where JSON has no number for it."""
    return value if math.isfinite(value) else None


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Measured(_Part):
    """A metric on ``n`` samples with its 95 % interval (Wilson for proportions, Student for means).

    ``low`` and ``high`` are null where one sample gives no interval.
    """

    metric: str
    value: float
    low: float | None
    high: float | None
    n: int


class Agreement(_Part):
    """Share of samples on which variant and baseline give the same class."""

    value: float
    low: float
    high: float
    n: int


class Drop(_Part):
    """Paired difference to the baseline on the same samples; positive is worse.

    ``p_value`` is McNemar's exact test for classes and the paired t-test for errors; ``low`` and ``high`` are null where
    one sample gives no interval.
    """

    value: float
    low: float | None
    high: float | None
    p_value: float
    n: int
    verdict: str

    @classmethod
    def of(cls, found: PairedDifference) -> Drop:
        """Takes over a paired difference."""
        return cls(**(found._asdict() | {"low": finite(found.low), "high": finite(found.high)}))


class ClassRecall(_Part):
    """Recall of one class with its 95 % Wilson interval."""

    label: str
    value: float
    low: float
    high: float
    n: int


class Latency(_Part):
    """One benchmark. Percentiles are derived from ``samples_us``, which are kept."""

    target: str
    threads: int
    median_ms: float
    p90_ms: float
    p99_ms: float
    mean_ms: float
    min_ms: float
    init_ms: float
    first_ms: float
    runs: int
    warmup_runs: int
    protocol: str
    runtime: str
    machine: dict[str, Any] = Field(default_factory=dict)
    samples_us: tuple[float, ...] = ()


class VariantReport(_Part):
    """One row of the report; fields that could not be measured are null, and ``warnings`` or ``error`` say why."""

    name: str
    scheme: str | None
    options: dict[str, Any] = Field(default_factory=dict)
    status: Literal["ok", "failed", "skipped"]
    error: str | None = None
    file: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    deflated_bytes: int | None = None
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    integer_op_fraction: float | None = None
    min_runtime_version: str | None = None
    accuracy: Measured | None = None
    other_metrics: tuple[Measured, ...] = ()
    per_class: tuple[ClassRecall, ...] = ()
    agreement: Agreement | None = None
    drop: Drop | None = None
    latency: Latency | None = None
    peak_memory_bytes: int | None = None
    conversion_s: float | None = None
    reused: bool = False
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, variant: Variant, **measured: Any) -> VariantReport:
        """Returns the row of a variant with what was measured of it."""
        contract = variant.contract
        same = ("name", "scheme", "options", "status", "error", "sha256", "size_bytes", "deflated_bytes",
                "integer_op_fraction", "min_runtime_version", "conversion_s", "reused", "warnings")  # fmt: skip
        fields = {name: getattr(variant, name) for name in same} | {
            "file": variant.file if variant.status == "ok" else None,
            "inputs": contract.inputs if contract else (),
            "outputs": contract.outputs if contract else (),
        }
        return cls(**(fields | measured))


class SourceRecord(_Part):
    """The model that was converted, or null fields where only ``.tflite`` files were given."""

    location: str
    sha256: str | None = None
    kind: str | None = None
    loader: str | None = None
    parameters: int | None = None
    notes: tuple[str, ...] = ()


class DatasetRecord(_Part):
    """The data that accuracy was measured on, and the calibration sample.

    ``sha256`` covers the samples' content and labels; it is null for factories, which cannot be recognised.
    """

    location: str
    kind: str
    samples: int
    classes: tuple[str, ...] | None = None
    sha256: str | None = None
    skipped: tuple[str, ...] = ()
    calibration_location: str | None = None
    calibration_samples: int | None = None
    calibration_sha256: str | None = None


class Constraints(_Part):
    """What the team can accept.

    Attributes:
        max_accuracy_drop: In percentage points for classes, else in the metric's unit. When not given: 1 point, or 5 % of
            the baseline's value.
        max_size_bytes: Of the file, not deflated.
        max_latency_ms: Median on the target.
        deploy_on: 'phone' (host latency decides nothing) or 'host' (the model is meant for this machine).
    """

    max_accuracy_drop: float | None = None
    max_size_bytes: int | None = None
    max_latency_ms: float | None = None
    deploy_on: Literal["phone", "host"] = "phone"


class Rejection(_Part):
    """Why a variant was not chosen."""

    name: str
    reasons: tuple[str, ...]


class Recommendation(_Part):
    """The answer. ``chosen`` is null where nothing meets the constraints; ``nearest`` is then the least bad."""

    chosen: str | None
    reasons: tuple[str, ...]
    rejected: tuple[Rejection, ...]
    constraints_met: bool
    nearest: str | None = None


class Report(_Part):
    """Everything that one run found."""

    schema_version: Literal[1] = 1
    tool: dict[str, str]
    created: str
    machine: dict[str, Any]
    source: SourceRecord | None
    dataset: DatasetRecord | None
    contract: Contract | None
    baseline: str | None
    constraints: Constraints
    variants: tuple[VariantReport, ...]
    recommendation: Recommendation | None
    warnings: tuple[str, ...] = ()

    def variant(self, name: str) -> VariantReport:
        """Returns a variant by name."""
        return next(v for v in self.variants if v.name == name)

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON types."""
        return self.model_dump(mode="json")


def read_report(path: str | Path) -> Report:
    """Reads ``report.json``, or the one in a folder.

    Raises:
        ModelError: It is missing, malformed, or of a schema version that this kit does not know.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "report.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"There is no report at {path}.", fix="Make one with 'tflitekit optimize'.") from error
    except ValueError as error:
        raise ModelError(f"The report {path} is not JSON: {error}.") from error
    found = content.get("schema_version") if isinstance(content, dict) else None
    if found != SCHEMA_VERSION:
        raise ModelError(
            f"The report {path} has the schema version {found}; this kit reads version {SCHEMA_VERSION}.",
            fix="Use the version of tflitekit that wrote it, or run the job again.",
        )
    try:
        return Report.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise ModelError(f"The report {path} is malformed at {where}: {problem['msg']}.") from None
