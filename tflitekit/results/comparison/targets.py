"""How variants changed on further targets: where they no longer run, what they score there, and what they take."""

from __future__ import annotations

from tflitekit.results import Examination, OnTarget, VariantReport
from tflitekit.results.comparison.accuracy import SharedData, measured_change
from tflitekit.results.comparison.results import Change, TargetChange

__all__ = ["compare_targets"]

_SIZES = {"arena": "arena_bytes", "SRAM": "sram_bytes", "flash": "flash_bytes"}


def compare_targets(old: VariantReport, new: VariantReport, data: SharedData) -> tuple[TargetChange, ...]:
    """Compares what each target says that both reports know by the same name."""
    before = {one.target: one for one in old.on_targets}
    return tuple(_compare(before[one.target], one, data) for one in new.on_targets if one.target in before)


def _compare(old: OnTarget, new: OnTarget, data: SharedData) -> TargetChange:
    unlike = tuple(
        f"the {name} of {new.target} ({was}; now {now})"
        for name, was, now in (("runtime", old.runtime, new.runtime), ("machine", old.machine, new.machine))
        if was != now
    )
    changes = [_accuracy(old, new, data), *_sizes(old.examination, new.examination)]
    return TargetChange(
        target=new.target,
        provenance=new.provenance,
        old_refused=old.refused,
        new_refused=new.refused,
        changes=tuple(
            change.model_copy(update={"label": new.target, "unlike": (*change.unlike, *unlike)})
            for change in changes
            if change is not None
        ),
    )


def _accuracy(old: OnTarget, new: OnTarget, data: SharedData) -> Change | None:
    before, after = old.accuracy or old.likeness, new.accuracy or new.likeness
    if before is None or after is None or before.metric != after.metric:
        return None
    return measured_change(before, after, data)


def _sizes(old: Examination | None, new: Examination | None) -> list[Change | None]:
    return [
        Change.of_sizes("memory", getattr(old, field, None), getattr(new, field, None), metric=name)
        for name, field in _SIZES.items()
    ]
