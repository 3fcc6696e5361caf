"""What one further target says of a variant, beside what this host says: an emulator, a simulator, a browser, a board, a phone."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from tflitekit.core.parts import Part
from tflitekit.results.accuracy import Drop, Measured
from tflitekit.results.latency import Figure, TargetKind

__all__ = ["Examination", "OnTarget", "Placement", "Provenance", "provenance_of"]

Provenance = Literal["measured", "emulated", "estimated"]

_PROVENANCE: dict[TargetKind, Provenance] = {"emulator": "emulated", "simulator": "estimated"}


def provenance_of(kind: TargetKind) -> Provenance:
    """Returns what the figures of a kind of target are: measured on hardware, emulated, or estimated by a simulator."""
    return _PROVENANCE.get(kind, "measured")


class Placement(Part):
    """Where one operator runs.

    Attributes:
        index: Position in the file's graph.
        layer: The user's layer, as far as its name is known.
        where: What computes it, in one word: 'NPU', 'GPU', 'CPU'; 'nothing' where the target lacks it.
        why: Why it does not run on the accelerator, in the tool's own words.
    """

    index: int
    op: str
    layer: str
    where: str
    why: str | None = None

    @property
    def stays_behind(self) -> bool:
        """Whether the accelerator leaves it."""
        return self.where in ("CPU", "nothing")


class Examination(Part):
    """What a target's own tools say of a file without running samples.

    Attributes:
        tool: Name and version of what says it.
        configuration: What it assumed, such as the accelerator, the clock and the memory mode.
        placements: Of all operators, in the file's order; empty where the tool does not tell.
        arena_bytes: Memory for tensors that the interpreter there needs.
        sram_bytes: Working memory of an accelerator; ``flash_bytes`` what is stored.
        estimated_ms: Of one inference, by a model of the hardware; never measured.
        notes: What else it says, and what it cannot see.
    """

    tool: str
    configuration: str | None = None
    placements: tuple[Placement, ...] = ()
    arena_bytes: int | None = None
    sram_bytes: int | None = None
    flash_bytes: int | None = None
    estimated_ms: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def behind(self) -> tuple[Placement, ...]:
        """The operators that the accelerator leaves."""
        return tuple(one for one in self.placements if one.stays_behind)

    @property
    def accelerated(self) -> float | None:
        """Share of the operators that run on the accelerator; None where that is not told."""
        if not self.placements:
            return None
        return (len(self.placements) - len(self.behind)) / len(self.placements)


class OnTarget(Part):
    """What one target says of one file.

    Attributes:
        machine: What must agree for two results to be comparable.
        good_for: Which of its figures say something about the hardware of users.
        refused: Why it does not run there; all else is null or empty then.
        samples: How many were run there, of those that accuracy was measured on.
        accuracy: On these samples; ``likeness`` instead on data without labels.
        drop: From the baseline on this host, on the same samples.
        drop_from_host: From the same file on this host, on the same samples: what the other arithmetic costs.
        identical: How many of the samples give the same output as on this host, to the bit.
        deviation: Largest difference of any value of the output, as a real value.
        examination: What the target's own tools say of the file; null where it has none.
    """

    target: str
    target_kind: TargetKind
    good_for: tuple[Figure, ...]
    runtime: str
    machine: dict[str, Any] = Field(default_factory=dict)
    refused: str | None = None
    samples: int | None = None
    accuracy: Measured | None = None
    likeness: Measured | None = None
    drop: Drop | None = None
    drop_from_host: Drop | None = None
    identical: int | None = None
    deviation: float | None = None
    examination: Examination | None = None

    @property
    def provenance(self) -> Provenance:
        """'measured', 'emulated' or 'estimated'."""
        return provenance_of(self.target_kind)
