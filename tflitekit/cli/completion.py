"""Names that a shell completes beyond choices: schemes, targets, hardware, metrics and presets, those of other packages too."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["names_for"]


def names_for(flag: str) -> Iterable[str]:
    """Returns what may be the value of an option; nothing for options whose values have no names."""
    if flag == "--scheme":
        from tflitekit.schemes import available

        return available()
    if flag == "--target":
        from tflitekit.targets import target_names

        return target_names()
    if flag in ("--deploy-on", "--on"):
        from tflitekit.hardware import profile_names

        return profile_names()
    if flag == "--metric":
        from tflitekit.accuracy.metrics import metrics

        return metrics()
    if flag == "--preprocess":
        from tflitekit.data.preprocessing import PRESETS

        return PRESETS
    return ()
