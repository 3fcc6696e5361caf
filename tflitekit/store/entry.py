"""The key figures of a stored report: what lists, histories and the index are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field, ValidationError, field_validator

from tflitekit.core.errors import ModelError, UsageError
from tflitekit.core.parts import Part
from tflitekit.core.printable import printable
from tflitekit.core.structured import describe_problem

if TYPE_CHECKING:  # lists of entries are shown without what whole reports need
    from tflitekit.results import Latency, Measured, OnTarget, Report, VariantReport

__all__ = ["Acceptance", "Entry", "Row", "before", "device_of", "is_noisy", "now", "rows_of"]

_ID = r"^[0-9a-f]{64}$"
_NOISE = ("noisy-machine", "other-load")
_Count = Annotated[int, Field(ge=-(2**63), lt=2**63)]
"""What databases have room for."""


class _Kept(Part):
    """What a store keeps: finite numbers only, checked in one pass, because a thousand entries are read at once."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Row(_Kept):
    """One variant on one device.

    Attributes:
        device: Where latency was measured; for rows of further targets where accuracy was.
        provenance: 'measured', 'emulated' or 'estimated'.
        chosen: The report recommends it.
        metric: Of ``value`` and its 95 % interval; null where nothing was scored.
        drop: From the report's baseline, positive is worse, in the metric's unit.
        latency_ms: The figure that decides under the protocol (``statistic``), with its 95 % interval.
        accelerator: What was asked to run it there; null where nothing was measured.
    """

    variant: str
    scheme: str | None = None
    status: str
    chosen: bool = False
    device: str
    provenance: str = "measured"
    runtime: str | None = None
    sha256: str | None = None
    size_bytes: _Count | None = None
    metric: str | None = None
    output: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: _Count | None = None
    higher_is_better: bool | None = None
    drop: float | None = None
    drop_low: float | None = None
    drop_high: float | None = None
    latency_ms: float | None = None
    latency_low_ms: float | None = None
    latency_high_ms: float | None = None
    statistic: str | None = None
    protocol: str | None = None
    threads: _Count | None = None
    accelerator: str | None = None
    memory_bytes: _Count | None = None


class Entry(_Kept):
    """One stored report, without the report.

    Attributes:
        id: SHA-256 of the report's JSON, without ``created`` and ``reused``.
        added: When it was stored; UTC, as all times here.
        created: When it was made.
        model: What the model is called in the store: by it, reports over time belong together.
        model_sha256: Of the model that was converted; null where only ``.tflite`` files were given.
        data_sha256: Of the samples that accuracy was measured on; null where they cannot be recognized, or there were none.
        commit: Of the user's project, with '-dirty' where files were changed; null where it is not known.
        kit: The version of tflitekit.
        device: Where latency that decides was measured; else this host.
        noisy: Noise or other programs disturbed the measuring of latency, as the report's warnings say; null where it did not measure, and in
            what older versions of the kit stored, until `Store.renew`.
        mlflow_run: The run in MLflow, and ``mlflow_link`` its page; null where it was not logged.
    """

    id: str = Field(pattern=_ID)
    added: str
    created: str
    model: str
    model_sha256: str | None = None
    data_sha256: str | None = None
    commit: str | None = None
    kit: str | None = None
    device: str
    noisy: bool | None = None
    mlflow_run: str | None = None
    mlflow_link: str | None = None
    rows: tuple[Row, ...] = ()

    @field_validator("added", "created")
    @classmethod
    def _is_time(cls, value: str) -> str:
        found = _time(value)
        if found is None:
            raise ValueError("it is no time")
        return found

    @property
    def short(self) -> str:
        """The beginning of the id, which names a report where it is the only one."""
        return self.id[:8]

    @property
    def age(self) -> tuple[str, str, str]:
        """What sorts reports by age: they tell when they were made to the second, and of one second that which was stored first is the older."""
        return self.created, self.added, self.id

    @property
    def is_early(self) -> bool:
        """Whether it was stored an hour or more before it was made: a clock is wrong, and it stands behind reports that come later."""
        made, added = map(datetime.fromisoformat, (self.created, self.added))
        return made - added >= timedelta(hours=1)

    @property
    def chosen(self) -> str | None:
        """The variant that the report recommends."""
        return next((row.variant for row in self.rows if row.chosen), None)

    @classmethod
    def of(cls, report: Report, id: str, *, model: str | None, **known: Any) -> Entry:
        """Returns the key figures of a report.

        Args:
            model: What the model is called; the name of its file when not given. What databases have no room for, such as bytes that
                are no UTF-8, is spelled out.

        Raises:
            UsageError: The report does not name a model, and none is given.
            ModelError: A figure is larger than a store can hold.
        """
        name = printable(model or model_name(report))
        try:
            return cls(
                id=id,
                added=now(),
                created=_time(report.created) or now(),
                model=name,
                model_sha256=report.source.sha256 if report.source else None,
                data_sha256=report.dataset.sha256 if report.dataset else None,
                kit=report.tool.get("tflitekit"),
                device=_device(report),
                noisy=is_noisy(report),
                rows=tuple(rows_of(report)),
                **known,
            )
        except ValidationError as error:
            raise ModelError(f"The report cannot be stored: it is malformed at {describe_problem(error)}.") from None


class Acceptance(_Kept):
    """A report that somebody accepted: what later ones of this model on this device are compared with.

    Attributes:
        report: The id of its `Entry`.
        by: The user's name on that machine; empty where the system has none.
    """

    report: str = Field(pattern=_ID)
    model: str
    device: str
    accepted: str
    by: str = ""
    note: str = ""


def now() -> str:
    """Returns this moment in UTC, to the microsecond, so that texts sort as times do."""
    return before(0)


def before(days: float) -> str:
    """Returns the moment that many days ago, as `now` does."""
    return (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="microseconds")


def _time(text: str) -> str | None:
    """Returns a time of a report in UTC, in the form that `now` has; None where it is none."""
    try:
        found = datetime.fromisoformat(text)
        return (found.replace(tzinfo=found.tzinfo or UTC)).astimezone(UTC).isoformat(timespec="microseconds")
    except (ValueError, OverflowError):
        return None


def model_name(report: Report) -> str:
    """Returns what a report's model is called: the last part of its path.

    Raises:
        UsageError: It was made of ``.tflite`` files only.
    """
    name = re.split(r"[/\\]", report.source.location.rstrip("/\\"))[-1] if report.source else ""
    if not name:
        raise UsageError(
            "The report does not say of which model its files are.",
            why="It was made of .tflite files only, as by 'tflitekit evaluate' and 'tflitekit benchmark'.",
            fix="Name the model (--model, or --store-model where the report is made): reports of one name stand in one history.",
        )
    return name


def device_of(target: str, kind: str, machine: dict[str, Any]) -> str:
    """Returns what a device is called: a host by its processor, since targets on all hosts have one name; others by their target."""
    words = [str(machine["cpu"])] if machine.get("cpu") and kind in ("host", "browser") else []
    if words and machine.get("cores"):
        words.append(f"{machine['cores']} cores")
    told = ", ".join(words)
    if kind == "host" and target == "host":
        return told or target
    return f"{target} ({told})" if told else target


def _device(report: Report) -> str:
    first = next((row.latency for row in report.variants if row.latency is not None), None)
    if first is not None:
        return device_of(first.target, first.target_kind, first.machine)
    return device_of("host", "host", report.machine)


def is_noisy(report: Report) -> bool | None:
    """Returns whether its warnings say that noise or other programs disturbed the measuring of latency; None where it was not measured."""
    if all(row.latency is None for row in report.variants):
        return None
    return any(finding.kind in _NOISE for finding in report.warnings)


def rows_of(report: Report) -> Iterator[Row]:
    """Yields one row for each variant and each place where it was measured, those that decide first."""
    chosen = report.recommendation.chosen if report.recommendation else None
    home = _device(report)
    for variant in report.variants:
        known: dict[str, Any] = {
            "variant": variant.name,
            "scheme": variant.scheme,
            "status": variant.status,
            "chosen": variant.name == chosen,
            "sha256": variant.sha256,
            "size_bytes": variant.size_bytes,
        }
        yield Row(**known, **_scored(variant), **_timed(variant, variant.latency, home))
        for latency in variant.other_latencies:
            yield Row(**known, **_timed(variant, latency, home))
        for place in variant.on_targets:
            yield Row(**known | _elsewhere(place))


def _scored(variant: VariantReport | OnTarget) -> dict[str, Any]:
    figure: Measured | None = variant.accuracy or variant.likeness
    if figure is None:
        return {}
    same = ("metric", "output", "value", "low", "high", "n", "higher_is_better")
    found = {name: getattr(figure, name) for name in same}
    if variant.drop is not None:
        found |= {"drop": variant.drop.value, "drop_low": variant.drop.low, "drop_high": variant.drop.high}
    return found


def _timed(variant: VariantReport, latency: Latency | None, home: str) -> dict[str, Any]:
    if latency is None:
        return {"device": home}
    return {
        "device": device_of(latency.target, latency.target_kind, latency.machine),
        "runtime": latency.runtime,
        "latency_ms": latency.deciding_ms,
        "latency_low_ms": latency.low_ms,
        "latency_high_ms": latency.high_ms,
        "statistic": latency.statistic,
        "protocol": latency.protocol,
        "threads": latency.threads,
        "accelerator": latency.accelerator.requested if latency.accelerator else None,
        "memory_bytes": variant.peak_memory_bytes if latency is variant.latency else None,
    }


def _elsewhere(place: OnTarget) -> dict[str, Any]:
    return {
        "device": device_of(place.target, place.target_kind, place.machine),
        "provenance": place.provenance,
        "status": "ok" if place.refused is None else "refused",
        "runtime": place.runtime,
        **_scored(place),
    }
