"""What is told of a search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tflitekit.search.bounds import Bounds, Limited
from tflitekit.search.candidates import Judged, Prepared
from tflitekit.search.clock import Clock
from tflitekit.search.plan import Plan
from tflitekit.search.setting import Setting
from tflitekit.search.strategy import Strategy
from tflitekit.tflite.search_record import SearchLayer, SearchPoint, SearchRecord, SearchTiming

__all__ = ["Ended", "Recorder"]

Ended = Literal["finished", "budget", "stopped"]


@dataclass(frozen=True)
class Recorder:
    """Makes the record of a search at any time."""

    setting: Setting
    prepared: Prepared
    bounds: Bounds
    strategy: Strategy

    def record(
        self,
        best: Judged,
        tried: Sequence[Judged],
        ended: Ended,
        seconds: float,
        timings: tuple[SearchTiming, ...] = (),
    ) -> SearchRecord:
        """Returns it.

        Args:
            tried: All candidates.
            timings: Of the files that were measured at the end.
        """
        assert best.loss is not None
        setting, prepared, by_agreement = self.setting, self.prepared, self.setting.limits.by_agreement
        clock = setting.clock if timings else None
        missed = (*self.bounds.missed(best.loss, best.size_bytes), *_too_slow(clock, timings))
        return SearchRecord(
            judged_by="fidelity" if prepared.classes is None else "agreement" if by_agreement else "accuracy",
            labels=prepared.labels and not by_agreement,
            data=setting.selected.location,
            samples=setting.selected.samples.samples,
            calibrated=setting.selected.calibrated,
            limit=self.bounds.loss,
            loss=best.loss.loss,
            high=best.loss.high,
            class_limit=self.bounds.class_loss,
            class_loss=best.loss.class_loss,
            class_high=best.loss.class_high,
            worst_class=self._named(best.loss.worst_class),
            size_limit=self.bounds.size_bytes,
            latency_limit_ms=clock.limit_ms if clock is not None else None,
            missed=missed,
            met=not missed,
            activations=best.plan.activations,
            tried=len(tried),
            failed=sum(each.failed is not None for each in tried),
            ended=ended,
            seconds=round(seconds, 1),
            seed=setting.options.seed,
            layers=tuple(self._layers(best.plan)),
            path=tuple(_path(tried, best)),
            changes=tuple(self.strategy.changes),
            following=self.strategy.following,
            timed_on=clock.target.name if clock is not None else None,
            timings=timings,
        )

    def _named(self, number: int | None) -> str | None:
        if number is None:
            return None
        names = self.setting.labels or ()
        return names[number] if number < len(names) else str(number)

    def _layers(self, plan: Plan) -> Iterator[SearchLayer]:
        for layer in self.prepared.operators:
            if not layer.elements and layer.name not in plan.types:
                continue
            smallest = layer.types(self.setting.recipe)[0]
            kind = plan.types.get(layer.name, smallest)
            rounded = plan.rounding == "gptq" or (plan.rounding == "blended" and kind == smallest)
            is_integer = kind in ("int4", "int8", "int16") and layer.elements
            yield SearchLayer(
                name=layer.shown,
                operator=layer.kind,
                type=kind,
                rounding=("gptq" if rounded else "nearest") if is_integer else None,
            )


def _too_slow(clock: Clock | None, timings: Sequence[SearchTiming]) -> Iterator[Limited]:
    limit = float("inf") if clock is None or clock.limit_ms is None else clock.limit_ms
    if any(each.chosen and each.latency_ms > limit for each in timings):
        yield "latency"


def _path(tried: Sequence[Judged], best: Judged) -> Iterator[SearchPoint]:
    for each in sorted(tried, key=lambda each: each.size_bytes):
        if each.loss is not None and not each.plan.probe:
            yield SearchPoint(
                size_bytes=each.size_bytes,
                loss=each.loss.loss,
                high=each.loss.high,
                samples=each.loss.samples,
                layers=each.plan.counts(),
                chosen=each is best,
            )
