"""What a profile says about a piece of hardware: the content of one TOML file."""

from __future__ import annotations

import difflib
from typing import Annotated, Literal, Self

from ai_edge_litert import schema_py_generated as schema
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

__all__ = ["ANY", "REFUSED", "Decides", "Kind", "Profile", "Rule", "Runtime", "Source", "Targets", "is_builtin"]

ANY = "any"
"""Instead of names of operators or of types: all that there are."""

REFUSED = "refused"

Decides = Literal["size", "latency", "download", "arena"]
"""What decides between files that the hardware takes and that keep all limits."""

Kind = Literal["host", "phone", "board", "emulator", "simulator", "browser"]

_COMPUTES = ("float32", "float16", "int8", "uint8", "int16", "hybrid", "index")
_STORED = ("float32", "float16", "int8", "uint8", "int4", "int2", "bool", "int16", "int32", "int64")
_BUILTINS = {name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}


def is_builtin(operator: str) -> bool:
    """Whether it is an operator of the runtime, not a custom one."""
    return operator in _BUILTINS


def _type(value: str) -> str:
    """Takes what 'tflitekit inspect' shows as *Computes in*, and for conversions 'float32 to int8'."""
    first, to, second = value.partition(" to ")
    if value not in (*_COMPUTES, ANY) and not (to and first in _STORED and second in _STORED):
        raise ValueError(
            f"'{value}' is not a type that operators compute in: write {', '.join(_COMPUTES)} or {ANY}, "
            "and of a conversion 'float32 to int8'"
        )
    return value


def _stored(value: str) -> str:
    if value not in _STORED:
        raise ValueError(f"'{value}' is not a type of a tensor: write {', '.join(_STORED)}")
    return value


def _operator(value: str) -> str:
    """Takes a builtin operator, or a custom one, whose name has small letters."""
    if value != ANY and value.upper() == value and value not in _BUILTINS:
        near = difflib.get_close_matches(value, _BUILTINS, 1)
        raise ValueError(f"there is no operator '{value}'" + (f"; perhaps {near[0]}" if near else ""))
    return value


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Strict):
    """Where a fact stands."""

    title: str
    url: str | None = None


class Rule(_Strict):
    """Operators that the hardware takes.

    Attributes:
        names: As 'tflitekit inspect' shows them, or 'any'.
        types: What they may compute in there.
        weights: Types that their weights may have; those of the profile when not given.
        max_version: The highest version of the operator that it takes, where that is known.
        strides: Strides that a convolution or pooling may have; any when not given.
        condition: What it asks of them besides, in words, where the kit cannot check that.
        certain: Whether all hardware of this profile takes them; else ``condition`` says what it depends on.
        source: The key of a source.
    """

    names: tuple[Annotated[str, AfterValidator(_operator)], ...] = Field(min_length=1)
    types: tuple[Annotated[str, AfterValidator(_type)], ...] = Field(min_length=1)
    weights: tuple[Annotated[str, AfterValidator(_stored)], ...] | None = None
    max_version: int | None = Field(default=None, ge=1)
    strides: tuple[int, ...] | None = Field(default=None, min_length=1)
    condition: str = ""
    certain: bool = True
    source: str

    @model_validator(mode="after")
    def _explained(self) -> Self:
        if not self.certain and not self.condition:
            raise ValueError("with 'certain = false' the condition must say what it depends on")
        return self


class Runtime(_Strict):
    """What runs models there.

    Attributes:
        version: The newest version that the operators of the profile are known of, in the numbers of TensorFlow Lite; a file that needs a later
            one does not run. Without it any version is taken.
        since: Which versions have it, in words.
    """

    name: str
    version: str | None = Field(default=None, pattern=r"^\d+(\.\d+)+$")
    since: str = ""


class Targets(_Strict):
    """Which targets of the kit say something about this hardware.

    Attributes:
        kind: Of targets whose latency and memory are those of this hardware.
        accelerator: What must have run the model there, as reports name it; '' where it does not matter.
        measured: Names of targets that run files on it.
    """

    kind: Kind | None = None
    accelerator: str = ""
    measured: tuple[str, ...] = ()
    emulated: tuple[str, ...] = ()
    estimated: tuple[str, ...] = ()


class Profile(_Strict):
    """A piece of hardware with the runtime on it.

    Attributes:
        about: What it is for, in a sentence or two.
        processor: What operators run on that it takes.
        rest: The profile of what runs the others, such as 'cpu' for the CPU beside it; 'refused' where the file does not run then.
        schemes: What `optimize` tries by default, beside the baseline.
        io: Types that inputs and outputs should have, the best first.
        other_io: What becomes of inputs and outputs of other types: they are converted, or nobody can fill or read them.
        arithmetic: By what an operator computes in within the file: what it computes in there, where that is something else.
        weights: Types that weights may have where a rule says nothing.
        open_shapes: Which shapes may be open: any ('taken'), those of tensors within the file ('inside'), the first dimension of any, which is
            what the file has in its place, 1 ('batch'), or none ('refused').
        partitions: Into how many pieces it takes a model: operators behind the last one are left.
        notes: By what an operator computes in: what else there is to know.
        decides: What decides between files that it takes, the most important first.
        not_known: What nobody told, each in a sentence.
    """

    name: str
    title: str
    about: str
    processor: str
    rest: str
    schemes: tuple[str, ...] = Field(min_length=1)
    io: tuple[Annotated[str, AfterValidator(_stored)], ...] = Field(min_length=1)
    other_io: Literal["converted", "refused"] = "converted"
    arithmetic: dict[Annotated[str, AfterValidator(_type)], str] = {}
    weights: tuple[Annotated[str, AfterValidator(_stored)], ...] = ("float32", "int8", "uint8")
    open_shapes: Literal["taken", "inside", "batch", "refused"] = "taken"
    partitions: int | None = Field(default=None, ge=1)
    notes: dict[Annotated[str, AfterValidator(_type)], str] = {}
    decides: tuple[Decides, ...] = Field(min_length=1)
    runtime: Runtime
    targets: Targets = Targets()
    operators: tuple[Rule, ...] = Field(min_length=1)
    not_known: tuple[str, ...] = Field(min_length=1)
    sources: dict[str, Source] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for number, rule in enumerate(self.operators, 1):
            if rule.source not in self.sources:
                raise ValueError(
                    f"operators {number} ({', '.join(rule.names[:3])}) name the source '{rule.source}', "
                    f"which is not among the sources: {', '.join(self.sources)}"
                )
        return self

    @property
    def takes_any(self) -> bool:
        """Whether it takes every builtin operator."""
        return any(ANY in rule.names for rule in self.operators)

    def rules(self, operator: str) -> list[Rule]:
        """Returns what is said about an operator; what is said about any counts where nothing is said about it."""
        own = [rule for rule in self.operators if operator in rule.names]
        return own or [rule for rule in self.operators if ANY in rule.names and operator in _BUILTINS]
