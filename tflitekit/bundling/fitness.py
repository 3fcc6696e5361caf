"""Whether variants would run on the hardware that a bundle is for."""

from __future__ import annotations

from collections.abc import Iterable

from tflitekit.bundling.selection import Chosen
from tflitekit.core.errors import BundleError
from tflitekit.core.progress import Progress
from tflitekit.hardware import judge, load_profile

__all__ = ["check_hardware"]


def check_hardware(variants: Iterable[Chosen], name: str, progress: Progress) -> None:
    """Judges variants by the profile of the hardware; notes which of them leave operators to a CPU.

    Raises:
        BundleError: One would not run there.
        UsageError: There is no such profile.
    """
    profile = load_profile(name)
    for chosen in variants:
        found = judge(chosen.graph, profile, layers=chosen.variant.layers)
        if found.verdict == "would not run":
            raise BundleError(
                f"The variant '{chosen.name}' would not run on the hardware '{profile.name}'.",
                why=found.summary,
                fix=f"Name another with --variant. {found.advice or ''}".rstrip(),
            )
        if not found.passes:
            progress.note(f"{chosen.name} on {profile.name}: {found.summary}")
