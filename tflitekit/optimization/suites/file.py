"""What a suite file says: models x data x protocols, and how all are measured."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tflitekit.core.arguments import as_list
from tflitekit.core.errors import TflitekitError, UsageError
from tflitekit.hardware.library import load_profile
from tflitekit.options.also_on import AlsoOnOptions
from tflitekit.options.base import default_of
from tflitekit.options.benchmark import LatencyOptions, ProtocolName, Threads
from tflitekit.options.convert import LoadOptions, Rounding, WorkOptions
from tflitekit.options.evaluate import ScoringOptions
from tflitekit.options.limits import Constraints
from tflitekit.options.optimize import OptimizeOptions
from tflitekit.options.training import TrainingOptions
from tflitekit.options.values import Counts, Names
from tflitekit.targets import abilities

__all__ = ["Conversion", "Data", "Entry", "Limits", "Model", "Suite"]

_STRICT = ConfigDict(extra="forbid", frozen=True)

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=60)]
"""Part of the name of a folder, with others of its kind."""
Targets = Annotated[Names, Field(min_length=1)]


class Table(BaseModel):
    """A table of a suite file: what its options refuse together is told with its place."""

    model_config = _STRICT

    @model_validator(mode="wrap")
    @classmethod
    def _with_place(cls, value: Any, check: Callable[[Any], Self]) -> Self:
        try:
            return check(value)
        except TflitekitError as error:
            raise ValueError(str(error)) from error


class Places(Table):
    """Where the data are."""

    evaluation: str
    calibration: str | None = None
    training: TrainingOptions | None = None


class Data(ScoringOptions, Places):
    """Where to evaluate and calibrate. Paths are relative to the data root; ``embedded:`` names what `quickstart` makes.

    Attributes:
        evaluation: As ``--data``; the others as the options of that name.
        training: For schemes that train: ``data``, as ``--train``, and the other options of training.
    """


class Limits(Constraints, Table):
    """What `recommend` goes by; see `Constraints`."""

    model_config = _STRICT

    @field_validator("deploy_on")
    @classmethod
    def _check_profile(cls, name: str) -> str:
        if name.endswith(".toml"):  # whose place depends on where the suite's paths start
            return name
        try:
            load_profile(name)
        except UsageError as error:
            raise ValueError(error.fix or error.what) from error
        return name


class NamedModel(Table):
    """A model, the names of the data that it is measured on, and the limits that are others for it than the suite's."""

    name: Name
    path: str
    data: tuple[str, ...] = Field(min_length=1)
    constraints: Limits | None = None


class Model(LoadOptions, NamedModel):
    """A model with how it is loaded: the options of that name."""


class Conversion(WorkOptions, Table):
    """How all models are converted: the options of that name."""


@dataclass(frozen=True)
class Entry:
    """One run of *optimize*.

    Attributes:
        data_name: Of the table of its data.
    """

    name: str
    model: Model
    data: Data
    data_name: str
    protocol: ProtocolName
    target: str


class Suite(BaseModel):
    """What a suite file says.

    Attributes:
        data_root: Where paths start if neither ``--data-root`` nor TFLITEKIT_DATA says so; relative to the suite file.
        schemes: When not given all that need no training, and with training data also qat, pruned and clustered.
        target: What latency is measured on; each is an entry of its own.
        protocols: Each is an entry of its own: latencies of different protocols are not comparable.
        threads: Measured one after the other within an entry.
    """

    model_config = _STRICT

    description: str = ""
    data_root: str = "."
    schemes: tuple[str, ...] | None = None
    rounding: Rounding = default_of(OptimizeOptions, "rounding")
    calibration_curve: Counts = default_of(OptimizeOptions, "calibration_curve")
    explain: bool = default_of(OptimizeOptions, "explain")
    target: Targets = (default_of(LatencyOptions, "target"),)
    also_on: Names = default_of(AlsoOnOptions, "also_on")
    also_on_limit: int = Field(default_of(AlsoOnOptions, "also_on_limit"), ge=1)
    protocols: tuple[ProtocolName, ...] = Field((default_of(LatencyOptions, "protocol"),), min_length=1)
    threads: Threads = default_of(LatencyOptions, "threads")
    profile: bool = default_of(LatencyOptions, "profile")
    app: str | None = None
    conversion: Conversion = Conversion()
    constraints: Limits = Limits()
    models: tuple[Model, ...] = Field(min_length=1)
    data: dict[Name, Data]

    @field_validator("target", "also_on")
    @classmethod
    def _check_targets(cls, names: Any) -> Any:
        wrong: dict[str, str] = {}
        given = as_list(names)
        for name in given:
            try:
                abilities(name)
            except UsageError as error:
                wrong[name] = error.fix or error.what
        if wrong:
            raise ValueError(" ".join(fix if len(given) == 1 else f"'{name}': {fix}" for name, fix in wrong.items()))
        return names

    def limits_of(self, model: NamedModel) -> Limits:
        """Returns the limits of a model: its own, and those of the suite that it does not name.

        Limits for data with labels and for data without exclude each other, so that naming one kind leaves out the suite's of the other.
        """
        own = model.constraints.given() if model.constraints is not None else {}
        with_labels, without = {"max_accuracy_drop", "max_class_drop"}, {"min_fidelity"}
        left_out = (without if own.keys() & with_labels else set()) | (with_labels if own.keys() & without else set())
        return Limits(**{name: limit for name, limit in self.constraints.given().items() if name not in left_out} | own)

    def entries(self) -> list[Entry]:
        """Returns all entries; a part of the name that is always the same is left out."""
        found = []
        for model in self.models:
            for data, protocol, target in itertools.product(model.data, self.protocols, self.target):
                parts = [
                    model.name,
                    *([data] if len(model.data) > 1 else []),
                    *([protocol] if len(self.protocols) > 1 else []),
                    *([re.sub(r"[^A-Za-z0-9_.-]+", "-", target)] if len(self.target) > 1 else []),
                ]
                found.append(Entry("-".join(parts), model, self.data[data], data, protocol, target))
        return found
