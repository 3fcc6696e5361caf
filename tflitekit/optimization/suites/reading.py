"""Reads a suite file, and tells all that is wrong in it at once: what no machine could do, whichever files it has."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from tflitekit.core.arguments import meant
from tflitekit.core.errors import TflitekitError, UnreadableError, UsageError
from tflitekit.core.progress import Progress
from tflitekit.core.structured import read_toml
from tflitekit.data.preprocessing import PRESETS
from tflitekit.hardware.library import load_profile
from tflitekit.optimization.early import faults_in
from tflitekit.optimization.suites.file import Conversion, Data, Entry, Limits, Model, Suite
from tflitekit.optimization.suites.places import Places, order_of, root_of, takes_app
from tflitekit.optimization.suites.words import in_keys, said
from tflitekit.options.base import refusal
from tflitekit.options.training import TrainingOptions

__all__ = ["read_suite"]

_TABLES: dict[str, type[BaseModel]] = {
    "models": Model, "data": Data, "training": TrainingOptions, "conversion": Conversion, "constraints": Limits,
}  # fmt: skip


@dataclass(frozen=True)
class _Wrong:
    """Something in the file that cannot be.

    Attributes:
        place: Keys with dots between; positions in lists count from 1.
        fix: What to write instead.
        short: The same, where it is one of several.
    """

    place: str
    what: str | None
    fix: str | None
    short: str | None = None

    def __str__(self) -> str:
        return f"{self.place}: {' '.join(' '.join(filter(None, (self.what, self.short or self.fix))).split())}"


def read_suite(path: str | Path, data_root: str | Path | None = None) -> Suite:
    """Reads a suite file.

    Args:
        data_root: Where its paths start, instead of where it says itself.

    Raises:
        UsageError: It is missing, no TOML, has an unknown or wrong key, or asks for what cannot be.
    """
    path = Path(path)
    try:
        content = read_toml(path)
    except UnreadableError as error:
        fix = "Name a TOML file, such as edge_benchmarks/quickstart.toml."
        if error.missing:
            raise UsageError(f"There is no suite {path}.", fix=fix) from error
        fix = "Mend it, or name another file."
        raise UsageError(f"The suite {path} cannot be read: {error.reason}.", fix=fix) from error
    try:
        suite = Suite.model_validate(content)
    except ValidationError as error:
        raise _refused(path, _wrong_keys(error)) from None
    wrong = list(_wrong_names(suite)) or list(_wrong_entries(suite, _Anywhere(root_of(path, suite, data_root))))
    if wrong:
        raise _refused(path, wrong)
    return suite


def _refused(path: Path, wrong: Sequence[_Wrong]) -> UsageError:
    if len(wrong) == 1:
        (one,) = wrong
        return UsageError(f"The suite {path} is wrong at {one.place}.", why=one.what, fix=one.fix)
    return UsageError(f"The suite {path} is wrong in {len(wrong)} places.", why="\n".join(map(str, wrong)))


# Keys and values


def _wrong_keys(error: ValidationError) -> list[_Wrong]:
    problems = error.errors(include_url=False)
    misspelt = {problem["loc"][:-1] for problem in problems if problem["type"] == "extra_forbidden"}
    above = {problem["loc"][:length] for problem in problems for length in range(len(problem["loc"]))}

    def follows(problem: Any) -> bool:
        """Whether it is there because of another one: a typo lets a key be missing, a wrong part makes a list too short."""
        kind, location = problem["type"], problem["loc"]
        return location[:-1] in misspelt if kind == "missing" else kind == "too_short" and location in above

    return [_explained(problem) for problem in problems if not follows(problem)]


def _place(location: Sequence[str | int]) -> str:
    keys = [str(part + 1) if isinstance(part, int) else part for part in location if part != "[key]"]
    return ".".join(keys) or "its top level"


def _explained(problem: Any) -> _Wrong:
    """Returns what is wrong at a key, and what to do; what is wrong between keys says both."""
    location = problem["loc"]
    place = _place(location)
    if problem["type"] in ("extra_forbidden", "missing"):
        table = next((_TABLES[str(part)] for part in reversed(location[:-1]) if str(part) in _TABLES), Suite)
        keys = f"The keys are: {', '.join(table.model_fields)}."
        if problem["type"] == "missing":
            return _Wrong(place, "This key is missing.", keys, short=" ")
        near = meant(str(location[-1]), table.model_fields)
        return _Wrong(place, "There is no such key.", near + keys, short=near)
    value, fix = refusal(problem)
    of_table = problem["type"] == "value_error" and isinstance(problem["input"], dict)
    return _Wrong(place, None, in_keys(fix)) if of_table else _Wrong(place, f"It cannot be {value}.", fix)


# Names


def _wrong_names(suite: Suite) -> Iterator[_Wrong]:
    for number, model in enumerate(suite.models, 1):
        for position, name in enumerate(model.data, 1):
            if name not in suite.data:
                known = f"The tables are: {', '.join(f'[data.{one}]' for one in suite.data) or 'none'}."
                what = f"The model '{model.name}' needs the data '{name}', for which there is no table [data.{name}]."
                yield _Wrong(f"models.{number}.data.{position}", what, meant(name, suite.data) + known)
        if twice := _twice(model.data):
            yield _Wrong(f"models.{number}.data", f"It names '{twice}' twice.", "Name it once.")
    if twice := _twice([model.name for model in suite.models]):
        yield _Wrong("models", f"There are two models '{twice}'.", "Give each a name of its own: folders are named so.")
    for key, listed in (("target", suite.target), ("also_on", suite.also_on), ("protocols", suite.protocols)):
        if twice := _twice(listed):
            yield _Wrong(key, f"It names '{twice}' twice.", "Name it once.")


def _twice(names: Sequence[str]) -> str | None:
    """Returns a name of which there are two on some file system."""
    seen: set[str] = set()
    return next((name for name in names if name.lower() in seen or seen.add(name.lower())), None)  # type: ignore[func-returns-value]


# Entries


class _Anywhere(Places):
    """Takes every place as it is named, but for profiles of hardware, which say what an entry may ask for."""

    def __init__(self, root: str | Path) -> None:
        super().__init__(root, Path(), Progress())
        self._profiles = Places(root, Path(), Progress())

    def find(self, name: str | None) -> str | Path | None:
        return name

    def find_data(self, name: str | None) -> str | Path | None:
        return name

    def find_profile(self, name: str) -> str:
        return self._profiles.find_profile(name)


def _wrong_entries(suite: Suite, places: Places) -> list[_Wrong]:
    """Returns what is wrong with what entries ask for, each once, with the entries where that is not so for all."""
    entries = suite.entries()
    found: dict[tuple[str, str, str | None], list[str]] = {}
    if twice := _twice([entry.name for entry in entries]):
        found["models", f"There are two entries '{twice}'.", "Name models so that their folders differ."] = []
    for entry in entries:
        for place, error in _faults(suite, entry, places):
            found.setdefault((place, *said(error)), []).append(entry.name)
    return [
        _Wrong(place, what + (f" Entries: {', '.join(of)}." if 0 < len(of) < len(entries) else ""), fix)
        for (place, what, fix), of in found.items()
    ]


def _faults(suite: Suite, entry: Entry, places: Places) -> Iterator[tuple[str, TflitekitError]]:
    place = functools.partial(_place_of, suite, entry)
    if entry.name.lower() == "readme.md":
        yield place("name"), UsageError("The tables of the suite are called README.md.", fix="Choose another name.")
    if "also_on_limit" in suite.model_fields_set and not suite.also_on:
        yield "also_on_limit", UsageError("It only applies with 'also_on'.", fix="Give both, or neither.")
        return
    if suite.app is not None and not any(map(takes_app, suite.target)):
        fix = "It is for 'target' adb."
        yield "app", UsageError(f"It has no effect on {' and '.join(suite.target)}.", fix=fix)
        return
    preset = entry.data.preprocess
    if isinstance(preset, str) and not preset.endswith(".json") and preset not in PRESETS:
        fix = f"{meant(preset, PRESETS)}Choose from: {', '.join(PRESETS)}; or name a .json file."
        yield place("preprocess"), UsageError(f"There is no preprocessing preset '{preset}'.", fix=fix)
    try:
        load_profile(places.find_profile(suite.limits_of(entry.model).deploy_on))
    except TflitekitError as error:
        yield place("deploy_on"), error
        return
    try:
        order = order_of(suite, entry, Path(entry.name), places)
    except TflitekitError as error:
        yield place("name"), error
        return
    for fault in faults_in(order.how, order.constraints, order.options):
        yield place(fault.option), fault.error


def _place_of(suite: Suite, entry: Entry, option: str) -> str:
    """Returns where in the file an option of an entry stands."""
    own = f"models.{suite.models.index(entry.model) + 1}."
    limits = (
        f"{own}constraints."
        if entry.model.constraints and option in entry.model.constraints.given()
        else "constraints."
    )
    tables: dict[str, type[BaseModel]] = {
        "": Suite, f"data.{entry.data_name}.": Data, own: Model, "conversion.": Conversion, limits: Limits,
    }  # fmt: skip
    position = f".{suite.target.index(entry.target) + 1}" if option == "target" and len(suite.target) > 1 else ""
    name = "protocols" if option == "protocol" else option
    return next((f"{table}{name}" for table, model in tables.items() if name in model.model_fields), name) + position
