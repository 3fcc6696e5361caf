"""What a piece of hardware would do with a file, as it stands in reports."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from tflitekit.hardware.profile import Decides, Kind, Profile, Source

__all__ = ["Hardware", "IoJudgement", "Judgement", "OperatorGroup", "Role", "Verdict"]

Role = Literal["input", "output"]
Verdict = Literal["runs", "computes otherwise", "not known", "falls back", "would not run"]
"""From the best to the worst.

'computes otherwise': in another arithmetic than the file says, so that its accuracy there is another one. 'not known': it
depends on the model of the hardware. 'falls back': some operators stay on the CPU.
"""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class OperatorGroup(_Part):
    """Operators of one kind that fare alike.

    Attributes:
        compute: What they compute in within the file; 'float32 to int8' for conversions.
        where: What they run on: the profile's processor, 'CPU', 'nothing' where the file does not run for them, or
            'not known'.
        why: Why they are not taken as they are in the file, or what is asked of them besides; '' where there is nothing
            to say.
        layers: The user's layers, as far as the file tells, of operators that are not taken as they are.
    """

    op: str
    compute: str
    count: int
    where: str
    why: str = ""
    layers: tuple[str, ...] = ()


class IoJudgement(_Part):
    """An input or output whose type the hardware does not take."""

    role: Role
    name: str
    dtype: str


class Judgement(_Part):
    """What a piece of hardware would do with a file, from its profile alone: nothing was run.

    Attributes:
        profile: The profile's name.
        runtime: The version of the runtime that it was judged for; null where any is taken.
        summary: The verdict in a sentence.
        taken: How many operators the processor takes, of ``total``.
        io: Inputs and outputs of a type that it does not take.
        notes: What else there is to know, each in a sentence.
        advice: What to do about it; null where there is nothing to do.
    """

    profile: str
    runtime: str | None
    verdict: Verdict
    summary: str
    taken: int
    total: int
    operators: tuple[OperatorGroup, ...]
    io: tuple[IoJudgement, ...] = ()
    notes: tuple[str, ...] = ()
    advice: str | None = None

    @property
    def passes(self) -> bool:
        """Whether it would run there, without operators that are known to stay on the CPU."""
        return self.verdict not in ("falls back", "would not run")


class Hardware(_Part):
    """What a report keeps of the profile that it was made for; fields as in `tflitekit.hardware.profile.Profile`."""

    name: str
    title: str
    processor: str
    io: tuple[str, ...]
    decides: tuple[Decides, ...]
    kind: Kind | None
    accelerator: str
    measured_by: tuple[str, ...] = ()
    emulated_by: tuple[str, ...] = ()
    estimated_by: tuple[str, ...] = ()
    not_known: tuple[str, ...]
    sources: tuple[Source, ...]

    @classmethod
    def of(cls, profile: Profile) -> Hardware:
        """Returns it."""
        return cls(
            name=profile.name,
            title=profile.title,
            processor=profile.processor,
            io=profile.io,
            decides=profile.decides,
            kind=profile.targets.kind,
            accelerator=profile.targets.accelerator,
            measured_by=profile.targets.measured,
            emulated_by=profile.targets.emulated,
            estimated_by=profile.targets.estimated,
            not_known=profile.not_known,
            sources=tuple(profile.sources.values()),
        )
