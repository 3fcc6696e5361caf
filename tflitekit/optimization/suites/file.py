"""What a suite file says: models x data x protocols, and how all are measured."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tflitekit.core.arguments import as_list
from tflitekit.core.errors import UnreadableError, UsageError
from tflitekit.core.structured import read_toml
from tflitekit.hardware.library import load_profile
from tflitekit.options.also_on import AlsoOnOptions
from tflitekit.options.base import default_of, refusal
from tflitekit.options.benchmark import LatencyOptions, ProtocolName, Threads
from tflitekit.options.convert import LoadOptions, Rounding, WorkOptions
from tflitekit.options.evaluate import ScoringOptions
from tflitekit.options.limits import Constraints
from tflitekit.options.optimize import OptimizeOptions
from tflitekit.options.training import TrainingOptions
from tflitekit.options.values import Counts, Names
from tflitekit.targets import require_target

__all__ = ["Conversion", "Data", "Entry", "Limits", "Model", "Suite", "read_suite"]

_STRICT = ConfigDict(extra="forbid", frozen=True)

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Targets = Annotated[Names, Field(min_length=1)]


class Places(BaseModel):
    """Where the data are."""

    model_config = _STRICT

    evaluation: str
    calibration: str | None = None
    training: TrainingOptions | None = None


class Data(ScoringOptions, Places):
    """Where to evaluate and calibrate. Paths are relative to the data root; ``embedded:`` names what `quickstart` makes.

    Attributes:
        evaluation: As ``--data``; the others as the options of that name.
        training: For schemes that train: ``data``, as ``--train``, and the other options of training.
    """


class NamedModel(BaseModel):
    """A model, and the names of the data that it is measured on."""

    model_config = _STRICT

    name: Name
    path: str
    data: tuple[str, ...] = Field(min_length=1)


class Model(LoadOptions, NamedModel):
    """A model with how it is loaded: the options of that name."""


class Conversion(WorkOptions):
    """How all models are converted: the options of that name."""


class Limits(Constraints):
    """What `recommend` goes by; see `Constraints`."""

    model_config = _STRICT

    @field_validator("deploy_on")
    @classmethod
    def _check_profile(cls, name: str) -> str:
        try:
            load_profile(name)
        except UsageError as error:
            raise ValueError(error.fix or error.what) from error
        return name


@dataclass(frozen=True)
class Entry:
    """One run of *optimize*."""

    name: str
    model: Model
    data: Data
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
        for name in as_list(names):
            try:
                require_target(name)
            except UsageError as error:
                raise ValueError(error.fix) from error
        return names

    @model_validator(mode="after")
    def _check_limit(self) -> Suite:
        if "also_on_limit" in self.model_fields_set and not self.also_on:
            raise ValueError("'also_on_limit' only applies with 'also_on'.")
        return self

    @model_validator(mode="after")
    def _check_names(self) -> Suite:
        for model in self.models:
            for name in model.data:
                if name not in self.data:
                    raise ValueError(
                        f"The model '{model.name}' needs the data '{name}', for which there is no table [data.{name}]."
                    )
        names = [entry.name for entry in self.entries()]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(
                f"There are two entries '{min(twice)}': give models unique names, and list data and targets only once."
            )
        return self

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
                found.append(Entry("-".join(parts), model, self.data[data], protocol, target))
        return found


_TABLES: dict[str, type[BaseModel]] = {
    "models": Model, "data": Data, "training": TrainingOptions, "conversion": Conversion, "constraints": Limits,
}  # fmt: skip


def read_suite(path: str | Path) -> Suite:
    """Reads a suite file.

    Raises:
        UsageError: It is missing, no TOML, or has an unknown or wrong key.
    """
    path = Path(path)
    try:
        content = read_toml(path)
    except UnreadableError as error:
        fix = "Name a TOML file, such as edge_benchmarks/quickstart.toml."
        if error.missing:
            raise UsageError(f"There is no suite {path}.", fix=fix) from error
        raise UsageError(f"The suite {path} cannot be read: {error.reason}.", fix=fix) from error
    try:
        return Suite.model_validate(content)
    except ValidationError as error:
        problem = min(
            error.errors(), key=lambda found: found["type"] != "extra_forbidden"
        )  # a typo explains what is missing
        why, advice = _explained(problem)
        raise UsageError(f"The suite {path} is wrong at {_place(problem['loc'])}.", why=why, fix=advice) from None


def _place(location: Sequence[str | int]) -> str:
    return ".".join(str(part + 1) if isinstance(part, int) else part for part in location) or "its top level"


def _explained(problem: Any) -> tuple[str | None, str | None]:
    """Returns what is wrong at a key, and what to do; what is wrong between keys says both."""
    location = problem["loc"]
    if problem["type"] in ("extra_forbidden", "missing"):
        table = next((_TABLES[str(part)] for part in reversed(location[:-1]) if str(part) in _TABLES), Suite)
        keys = f"The keys are: {', '.join(table.model_fields)}."
        return "There is no such key." if problem["type"] == "extra_forbidden" else "This key is missing.", keys
    value, fix = refusal(problem)
    return (f"It cannot be {value}.", fix) if location else (fix, None)
