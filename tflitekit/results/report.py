"""The report: everything that is shown anywhere is rendered from it. ``docs/report-schema.md`` describes it for people."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from tflitekit.core.clock import moment
from tflitekit.core.errors import ModelError, UnreadableError
from tflitekit.core.files import is_folder, require_path, shortened
from tflitekit.core.machine import describe_machine, machine_name
from tflitekit.core.parts import Finding, Part
from tflitekit.core.structured import LARGEST, check_model, read_json
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.contract import Contract
from tflitekit.hardware.judgement import Hardware, Judgement
from tflitekit.options.limits import Constraints
from tflitekit.results.accuracy import (
    Adaptive,
    Agreement,
    AtThreshold,
    CalibrationPoint,
    ClassRecall,
    Confidence,
    Drop,
    Example,
    Flip,
    Flips,
    Measured,
    OutputScore,
    Sequential,
)
from tflitekit.results.explanation import Explanation
from tflitekit.results.fidelity import OutputFidelity
from tflitekit.results.latency import Latency, Profile, Sustained
from tflitekit.results.migration import SCHEMA_VERSION, migrate
from tflitekit.results.on_target import OnTarget
from tflitekit.tflite.proof import Proof
from tflitekit.tflite.search_record import SearchRecord
from tflitekit.tflite.training_record import Compression, TrainingRecord
from tflitekit.tflite.variant import Variant, tool_versions

__all__ = [
    "Constraints",
    "DatasetRecord",
    "OpRow",
    "Recommendation",
    "Rejection",
    "Report",
    "SourceRecord",
    "VariantReport",
    "check_report",
    "read_content",
    "read_report",
]


class OpRow(Part):
    """Operators of one kind that compute in one type (see `tflitekit.tflite.graph.OpCount`)."""

    name: str
    version: int
    compute: str
    count: int
    weight_bytes: int


class Places(Part):
    """On which machines one row of a report was made, by their names.

    Attributes:
        converted: Where the file was made; null where an older version of the kit made it, or others did.
        evaluated: Where samples were run; each of several machines took a part of them.
        measured: Where latency was measured, or the machine that had the device.
    """

    converted: str | None = None
    evaluated: tuple[str, ...] = ()
    measured: str | None = None


class VariantReport(Part):
    """One row of the report; fields that could not be measured are null, and ``warnings`` or ``error`` say why.

    Attributes:
        engine: As in `Variant`, and ``engine_why``.
        hits: For classes, whether each sample that it was scored on was right, in the data's order: base64 of bits, eight a byte, the first
            sample the highest bit (`numpy.unpackbits`). So two reports on the same data compare in pairs.
        confusion: Samples by true class (rows) and answer (columns), in the order of the model's outputs; null with
            more than 100 classes.
        likeness: On data without labels, instead of ``accuracy``: how closely the outputs match the baseline's. The metric is 'agreement' (share of
            samples with its class) or 'fidelity' (share of its variance that is explained, of the output that is kept least).
        output_scores: Each output that has labels, where several have; empty where one has. ``accuracy`` and ``drop`` are those of the
            first that decides, or weighted, and so are classes, hits, confidence and flips of one output.
        fidelity: Every output compared with the baseline's, part by part; empty for the baseline itself and without one.
        explanation: Where it departs from the float model, layer by layer; null where that was not asked for.
        thresholds: What happens at each of ``--threshold``, in their order; empty without.
        differing: On data without labels, up to 12 of the samples that get another class than the baseline's, with the highest scores.
        examples: For tasks other than classification, samples on which it does worse than the baseline, the worst first.
        control: Name of the float model that was fine-tuned for as many steps, where this variant was trained and such a one
            was evaluated; null for the control itself.
        drop_from_control: Paired difference to it: what quantizing, pruning or clustering costs, without the gain of training.
        latency: The measurement that decides. Further numbers of threads, and after a merge of phones also further targets, are
            in ``other_latencies``.
        places: On which machines this row was made; null where one machine did the whole run.
        hardware: What the hardware of ``--deploy-on`` would do with the file, by its profile; null where no profile was asked.
        peak_memory_bytes: Highest resident set of the process minus what stays resident after the model is released.
        arena_bytes: Tensor memory that the interpreter itself plans; what delegates allocate is not in it.
        on_targets: What further targets (``--also-on``) say of the file, in the order in which they were named.
    """

    name: str
    scheme: str | None
    options: dict[str, Any] = Field(default_factory=dict)
    status: Literal["ok", "failed", "skipped"]
    error: str | None = None
    engine: str | None = None
    engine_why: str | None = None
    file: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    deflated_bytes: int | None = None
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    integer_op_fraction: float | None = None
    min_runtime_version: str | None = None
    accuracy: Measured | None = None
    likeness: Measured | None = None
    other_metrics: tuple[Measured, ...] = ()
    output_scores: tuple[OutputScore, ...] = ()
    per_class: tuple[ClassRecall, ...] = ()
    agreement: Agreement | None = None
    fidelity: tuple[OutputFidelity, ...] = ()
    explanation: Explanation | None = None
    drop: Drop | None = None
    control: str | None = None
    drop_from_control: Drop | None = None
    hits: str | None = None
    confusion: tuple[tuple[int, ...], ...] | None = None
    confidence: Confidence | None = None
    flips: Flips | None = None
    differing: tuple[Flip, ...] = ()
    thresholds: tuple[AtThreshold, ...] = ()
    examples: tuple[Example, ...] = ()
    sequential: Sequential | None = None
    latency: Latency | None = None
    other_latencies: tuple[Latency, ...] = ()
    sustained: Sustained | None = None
    profile: Profile | None = None
    places: Places | None = None
    hardware: Judgement | None = None
    peak_memory_bytes: int | None = None
    arena_bytes: int | None = None
    on_targets: tuple[OnTarget, ...] = ()
    ops: tuple[OpRow, ...] = ()
    training: TrainingRecord | None = None
    compression: Compression | None = None
    search: SearchRecord | None = None
    conversion_s: float | None = None
    reused: bool = False
    warnings: tuple[Finding, ...] = ()

    def at(self, **where: Any) -> VariantReport:
        """Returns the row with where something of it was made; see `Places`."""
        return self.model_copy(update={"places": (self.places or Places()).model_copy(update=where)})

    @property
    def figure(self) -> Measured | None:
        """What says how good the variant is: its accuracy, or, on data without labels, how closely it matches the baseline."""
        return self.accuracy or self.likeness

    @property
    def loss(self) -> float | None:
        """How much worse than the baseline, in the unit of ``figure``."""
        if self.drop is not None:
            return self.drop.value
        return None if self.likeness is None else 1 - self.likeness.value

    @field_validator("file")
    @classmethod
    def _possible(cls, value: str | None) -> str | None:
        return value if value is None else require_path(value)

    @classmethod
    def of(cls, variant: Variant, **measured: Any) -> VariantReport:
        """Returns the row of a variant with what was measured of it."""
        contract = variant.contract
        same = ("name", "scheme", "options", "status", "error", "engine", "engine_why", "sha256", "size_bytes", "deflated_bytes",
                "integer_op_fraction", "min_runtime_version", "training", "compression", "search", "conversion_s", "reused")  # fmt: skip
        fields = {name: getattr(variant, name) for name in same} | {
            "file": variant.file if variant.status == "ok" else None,
            "places": Places(converted=variant.machine),
            "warnings": tuple(Finding(kind="conversion", message=text) for text in variant.warnings),
            "inputs": contract.inputs if contract else (),
            "outputs": contract.outputs if contract else (),
        }
        return cls(**(fields | measured))


def only_here(rows: Sequence[VariantReport]) -> tuple[VariantReport, ...]:
    """Returns the rows of a run of one machine: where they were made says nothing then, unless an earlier run was on another."""
    names = {
        name
        for row in rows
        if row.places
        for name in (row.places.converted, *row.places.evaluated, row.places.measured)
        if name
    }
    return tuple(rows) if names - {machine_name()} else tuple(row.model_copy(update={"places": None}) for row in rows)


class SourceRecord(Part):
    """The model that was converted, or null fields where only ``.tflite`` files were given. ``proof``: its float file computes
    what the original does."""

    location: str
    sha256: str | None = None
    kind: str | None = None
    loader: str | None = None
    parameters: int | None = None
    notes: tuple[str, ...] = ()
    proof: Proof | None = None


class DatasetRecord(Part):
    """The data that accuracy was measured on, and the calibration sample.

    ``sha256`` covers the samples' content and labels; it is null for factories, which cannot be recognised. ``available`` is the
    number of samples before ``--limit`` or an early stop, ``seed`` that of the draw. ``adaptive`` is there where
    ``--until-certain`` looked repeatedly. ``labels`` are, for classes, the true class of each sample that was scored, in the
    data's order (see `tflitekit.core.packing`). ``reference`` says what outputs were compared with: labels, or the outputs of the
    baseline, where the data have none. ``task`` is what the model is for, and ``reader`` how its outputs were read, with all options, where
    they are decoded first (see `tflitekit.tasks.readers`). ``stream``: samples were one stream, so that a model's state went on from
    each to the next.
    """

    location: str
    kind: str
    samples: int
    classes: tuple[str, ...] | None = None
    sha256: str | None = None
    skipped: tuple[str, ...] = ()
    available: int | None = None
    seed: int | None = None
    stream: bool = False
    reference: Literal["labels", "baseline"] = "labels"
    adaptive: Adaptive | None = None
    labels: str | None = None
    task: str | None = None
    reader: dict[str, Any] | None = None
    calibration_location: str | None = None
    calibration_samples: int | None = None
    calibration_sha256: str | None = None


class Rejection(Part):
    """Why a variant was not chosen."""

    name: str
    reasons: tuple[str, ...]


class Recommendation(Part):
    """The answer. ``chosen`` is null where nothing meets the constraints; ``nearest`` is then the least bad."""

    chosen: str | None
    reasons: tuple[str, ...]
    rejected: tuple[Rejection, ...]
    constraints_met: bool
    nearest: str | None = None


class Report(Part):
    """Everything that one run found. ``calibration_curve`` is filled by ``--calibration-curve``; ``hardware`` is what was known of that of
    ``--deploy-on`` when the report was made."""

    schema_version: Literal[2] = 2
    tool: dict[str, str]
    created: str
    machine: dict[str, Any]
    source: SourceRecord | None
    dataset: DatasetRecord | None
    contract: Contract | None
    baseline: str | None
    constraints: Constraints
    hardware: Hardware | None = None
    variants: tuple[VariantReport, ...]
    recommendation: Recommendation | None
    calibration_curve: tuple[CalibrationPoint, ...] = ()
    warnings: tuple[Finding, ...] = ()

    @classmethod
    def made_now(cls, **found: Any) -> Report:
        """Returns a report of this moment, on this machine, by this installation."""
        return cls(
            tool=tool_versions() | {"python": platform.python_version()},
            created=moment().isoformat(timespec="seconds"),
            machine=describe_machine(),
            **found,
        )

    def variant(self, name: str) -> VariantReport:
        """Returns a variant by name."""
        return next(v for v in self.variants if v.name == name)

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON types."""
        return self.model_dump(mode="json")


def read_report(path: str | Path) -> Report:
    """Reads ``report.json``, or the one in a folder.

    Args:
        path: The file, or its folder.

    Returns:
        The report, migrated if an older version of the kit wrote it.

    Raises:
        ModelError: It is missing, malformed, or of a schema version that this kit does not know.

    Example:
        >>> report = tk.read_report("build")
        >>> print(report.recommendation.chosen)
    """
    content, name = read_content(path)
    return check_report(content, name)


def read_content(path: str | Path) -> tuple[Any, str]:
    """Returns what ``report.json``, or the one in a folder, holds as it stands there, for `check_report`, and its path.

    Raises:
        ModelError: It is missing, or no JSON.
    """
    path = Path(path)
    if is_folder(path):
        path = path / "report.json"
    try:
        return read_json(path), str(path)
    except UnreadableError as error:
        fix = "Make one with 'tflitekit optimize'."
        if error.missing:
            raise ModelError(f"There is no report at {path}.", fix=fix) from error
        raise ModelError(f"The report {path} cannot be read: {error.reason}.", fix=fix) from error


def check_report(content: Any, name: str) -> Report:
    """Returns the report that JSON of any schema version holds.

    Args:
        name: Stands for the report in errors.

    Raises:
        ModelError: It is malformed, or of a schema version that this kit does not know.
    """
    if not isinstance(content, dict):
        raise ModelError(f"The report {name} is not a JSON object.")
    if "schema_version" not in content:
        raise ModelError(
            f"{name} is not a report of tflitekit: it has no schema_version.", fix="Make one with 'tflitekit optimize'."
        )
    found = content["schema_version"]
    if type(found) is not int or not 1 <= found <= SCHEMA_VERSION:  # true is no version
        raise ModelError(
            f"The report {name} has the schema version {shortened(repr(found))}; this kit reads versions 1 to {SCHEMA_VERSION}.",
            fix="Use the version of tflitekit that wrote it, or run the job again.",
        )
    try:
        report = check_model(Report, _migrated(content, name), name, largest=LARGEST)
        _check_names(report, name)
        return report
    except UnreadableError as error:
        raise ModelError(f"The report {name} cannot be read: {error.reason}.", fix="Run the job again.") from None


def _check_names(report: Report, name: str) -> None:
    """Refuses a report in which a name means no variant, or two: every view and `compare` look variants up by name."""
    names = [variant.name for variant in report.variants]
    if twice := next((shortened(v) for v in names if names.count(v) > 1), None):
        raise UnreadableError(name, f"it has the variant '{twice}' twice")
    answer = report.recommendation
    meant = (report.baseline, *((answer.chosen, answer.nearest) if answer else ()))
    if (missing := next((v for v in meant if v is not None and v not in names), None)) is not None:
        raise UnreadableError(name, f"it refers to the variant '{shortened(missing)}', which it does not have")


def _migrated(content: dict[str, Any], name: str) -> dict[str, Any]:
    try:
        return migrate(content)
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
        detail = shortened(f"{type(error).__name__}: {error}")
        raise UnreadableError(name, f"it is malformed at {detail}") from None
