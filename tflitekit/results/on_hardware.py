"""What the hardware that a model is meant for says to the recommendation: what it takes, what was measured on it, and what was only estimated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import get_args

from tflitekit.core.units import duration
from tflitekit.hardware import Hardware, Verdict
from tflitekit.results import Latency, OnTarget, VariantReport

__all__ = [
    "arena_of",
    "estimate_of",
    "estimated_text",
    "hardware_problems",
    "hardware_reasons",
    "in_firmware",
    "io_rank",
    "is_of",
    "not_known",
    "unlike_text",
    "verdict_rank",
    "what_ran",
]

_VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


def is_of(latency: Latency, hardware: Hardware) -> bool:
    """Tells whether a latency was measured on this kind of hardware, by the processor that the profile is about."""
    if latency.target_kind != hardware.kind or not (latency.counts or hardware.kind == "host"):
        return False
    used = latency.accelerator.actual.lower() if latency.accelerator else ""
    return not hardware.accelerator or not used or hardware.accelerator in used or used in hardware.accelerator


def in_firmware(hardware: Hardware) -> bool:
    """Tells whether the interpreter is part of a firmware, as TensorFlow Lite Micro is, which has no releases."""
    return "arena" in hardware.decides


def _is_timed(hardware: Hardware, rows: Iterable[VariantReport]) -> bool:
    return any(row.latency is not None and is_of(row.latency, hardware) for row in rows)


def not_known(hardware: Hardware, rows: Iterable[VariantReport]) -> list[str]:
    """Returns what nobody told of the hardware; how fast it is is known where one of the rows was measured there."""
    timed = _is_timed(hardware, rows)
    return [each for each in hardware.not_known if not (timed and each.startswith("How fast"))]


def what_ran(hardware: Hardware, rows: Iterable[VariantReport]) -> str:
    """Says what was run on the hardware itself, which a verdict by its profile does not tell."""
    return "latency was measured there" if _is_timed(hardware, rows) else "nothing was run there"


def verdict_rank(variant: VariantReport) -> tuple[int, int]:
    """Returns how well the hardware takes a file, 0 being best, and how many operators it leaves."""
    found = variant.hardware
    return (0, 0) if found is None else (_VERDICTS.index(found.verdict), found.total - found.taken)


def io_rank(variant: VariantReport, hardware: Hardware) -> int:
    """Returns how far the worst of the inputs and outputs is down the list of types that the hardware wants."""
    numbers = [
        spec.dtype
        for spec in (*variant.inputs, *variant.outputs)
        if not spec.dtype.startswith(("int32", "int64", "bool"))
    ]
    return max((hardware.io.index(each) if each in hardware.io else len(hardware.io) for each in numbers), default=0)


def hardware_problems(variant: VariantReport) -> list[str]:
    """Says why a file would not run on the hardware."""
    found = variant.hardware
    if found is None or found.verdict != "would not run":
        return []
    return [f"on {found.profile}, {_clause(found.summary)}"]


def unlike_text(variant: VariantReport, chosen: VariantReport) -> str | None:
    """Says where the hardware takes a file less well than the chosen one."""
    found = variant.hardware
    if found is None or verdict_rank(variant) == verdict_rank(chosen):
        return None
    return f"meets the limits, but on {found.profile}: {_clause(found.summary)}"


def hardware_reasons(chosen: VariantReport, hardware: Hardware) -> list[str]:
    """Says what the hardware would do with the chosen file, by its profile, and what nobody knows."""
    found = chosen.hardware
    if found is None:
        return []
    said = [f"{hardware.title}: {_clause(found.summary)} (by its profile; {what_ran(hardware, [chosen])})"]
    if found.verdict != "runs":
        said[0] = f"caution: {said[0]}"
    wanted = hardware.io[0]
    if not wanted.startswith("float") and io_rank(chosen, hardware) == 0:
        said.append(f"inputs and outputs are {wanted}, which spares it conversions from and to float")
    if found.verdict == "computes otherwise":
        said.append("caution: its accuracy was measured in the file's own arithmetic, not in that of the hardware")
    if unknown := not_known(hardware, [chosen]):
        more = f" (and {len(unknown) - 1} more in the section on hardware)" if len(unknown) > 1 else ""
        said.append(f"not known of {hardware.name}: {_clause(unknown[0])}{more}")
    return said


def _clause(sentence: str) -> str:
    """Returns a sentence as a part of another one; one that begins with an abbreviation keeps it."""
    first = sentence[:1] if sentence[:2].isupper() else sentence[:1].lower()
    return f"{first}{sentence[1:].rstrip('.')}"


def estimate_of(variant: VariantReport, hardware: Hardware) -> tuple[float, str] | None:
    """Returns a latency in ms that was estimated for this hardware, and what estimated it; never a measured one."""
    for one in _of(variant, hardware.estimated_by):
        found = one.examination
        if found is not None and found.estimated_ms is not None:
            assumed = f", {found.configuration}" if found.configuration else ""
            return found.estimated_ms, f"{found.tool}{assumed}"
    return None


def estimated_text(variant: VariantReport, hardware: Hardware) -> str:
    """Returns '0.31 ms, estimated by Vela 5.2.0, not measured'."""
    found = estimate_of(variant, hardware)
    assert found is not None
    return f"{duration(found[0])}, estimated by {found[1]}, not measured"


def arena_of(variant: VariantReport, hardware: Hardware) -> int | None:
    """Returns the memory for tensors that an interpreter of this hardware needs, where one told; that of another is another one."""
    names = hardware.measured_by + hardware.emulated_by
    found = [one.examination.arena_bytes for one in _of(variant, names) if one.examination is not None]
    return next((arena for arena in found if arena is not None), None)


def _of(variant: VariantReport, names: Sequence[str]) -> Iterable[OnTarget]:
    """Returns what targets of these names say, whatever settings follow the names."""
    return (o for o in variant.on_targets if {o.target.partition(",")[0], o.target.partition(":")[0]} & set(names))
