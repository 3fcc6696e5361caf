"""A target with its answers checked: those of other packages may be anything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.answers import answering, expect, wrong_answer
from tflitekit.core.errors import UsageError
from tflitekit.core.progress import Progress
from tflitekit.options.benchmark import BenchmarkOptions
from tflitekit.results import Examination, Figure, Profile, TargetKind
from tflitekit.targets.target import (
    BenchmarkingTarget,
    EnergyReading,
    ExaminingTarget,
    Loaded,
    MeteredSession,
    OwnBenchmark,
    RunningModel,
    RunningTarget,
    Session,
    SessionFacts,
    Shapes,
    Target,
    TimingTarget,
)
from tflitekit.tflite.graph import Graph

__all__ = ["Ability", "CheckedTarget", "abilities_of", "cannot", "without_app"]

Ability = Literal["measures latency", "measures bundles", "runs samples", "examines files"]

_ABILITIES: dict[Ability, tuple[type, tuple[str, ...]]] = {
    "measures latency": (TimingTarget, ("open", "profile")),
    "measures bundles": (BenchmarkingTarget, ("benchmark",)),
    "runs samples": (RunningTarget, ("model",)),
    "examines files": (ExaminingTarget, ("examine",)),
}

_MEASURES = "Give --target one that measures latency, such as host, browser, adb or ssh:USER@HOST"
_RUNS = "one that runs samples, such as arm64-emulated, browser, gpu-emulated or tflm"
_EXAMINES = "one that examines files, such as ethos-u, gpu-emulated or tflm"
_FIXES: dict[Ability, str] = {
    "measures latency": f"{_MEASURES}; --also-on takes the others.",
    "measures bundles": f"{_MEASURES}; --also-on takes the others.",
    "runs samples": f"Give --also-on {_RUNS}, or {_EXAMINES}.",
    "examines files": f"Give --also-on {_EXAMINES}.",
}


def abilities_of(make: Any) -> tuple[Ability, ...] | None:
    """Returns what targets of a class can do, without opening one; None for a function, whose targets tell when they are opened."""
    if not isinstance(make, type):
        return None
    return tuple(
        ability
        for ability, (_, names) in _ABILITIES.items()
        if all(callable(getattr(make, name, None)) for name in names)
    )


def cannot(name: str, abilities: Sequence[Ability], ability: Ability) -> UsageError:
    """Returns the error for a target that cannot do this."""
    return UsageError(
        f"The target '{name}' {' and '.join(abilities)}; it does not {_infinitive(ability)}.", fix=_FIXES[ability]
    )


def without_app(name: str) -> UsageError:
    """Returns the error for an app that a target has no use for."""
    return UsageError(f"--app has no effect on the target '{name}'.", fix="It is for --target adb.")


class CheckedTarget:
    """Passes everything on to a target, and raises `PackageError` where an answer cannot be.

    Attributes:
        abilities: What the target can do; the methods of the others raise `UsageError`.
        parallel: As of `RunningTarget`.
    """

    def __init__(self, target: Target) -> None:
        self.name, self.kind, self.good_for = target.name, target.kind, target.good_for
        if not isinstance(self.name, str):
            raise wrong_answer(target, "has a name that is not a text")
        for shown, given, known in (("kind", [self.kind], TargetKind), ("good_for", self.good_for, Figure)):
            if unknown := [one for one in given if one not in get_args(known)]:
                raise wrong_answer(
                    target, f"has '{unknown[0]}' as its {shown}, instead of {', '.join(get_args(known))}"
                )
        self.abilities = tuple(ability for ability, (kind, _) in _ABILITIES.items() if isinstance(target, kind))
        self.parallel = bool(getattr(target, "parallel", False))
        self.close = target.close
        self._target: Any = target
        if not self.abilities:
            half = next((kind for kind, names in _ABILITIES.values() if any(hasattr(target, n) for n in names)), None)
            expect(target, half or TimingTarget, by=target)

    def identity(self) -> dict[str, Any]:
        found: dict[str, Any] = expect(self._target.identity(), dict, by=self._target.identity)
        try:
            json.dumps(found)
        except (TypeError, ValueError) as error:
            raise wrong_answer(self._target.identity, f"returned what JSON cannot hold ({error})") from error
        return found

    def require(self, ability: Ability) -> None:
        """Raises `UsageError` where the target cannot do this."""
        if ability not in self.abilities:
            raise cannot(self.name, self.abilities, ability)

    def open(self, path: Path, *, threads: int, shapes: Shapes | None = None) -> Session:
        self.require("measures latency")
        return _CheckedSession(answering(self._target.open, Session)(path, threads=threads, shapes=shapes))

    def profile(self, path: Path, *, threads: int, shapes: Shapes | None = None) -> Profile:
        self.require("measures latency")
        found: Profile = answering(self._target.profile, Profile)(path, threads=threads, shapes=shapes)
        return found

    def check(self, how: BenchmarkOptions) -> None:
        """Raises where latency cannot be measured as asked."""
        if "measures bundles" in self.abilities:
            self._target.check(how)
            return
        self.require("measures latency")
        if how.app is not None:
            raise without_app(self.name)

    def benchmark(self, bundle: Path, how: BenchmarkOptions, *, progress: Progress, keep: Path | None) -> OwnBenchmark:
        self.require("measures bundles")
        call = answering(self._target.benchmark, OwnBenchmark)
        found: OwnBenchmark = call(bundle, how, progress=progress, keep=keep)
        return found

    def model(self, path: Path, *, graph: Graph) -> RunningModel:
        self.require("runs samples")
        return _CheckedModel(answering(self._target.model, RunningModel)(path, graph=graph), graph)

    def examine(self, path: Path, *, graph: Graph) -> Examination:
        self.require("examines files")
        found: Examination = answering(self._target.examine, Examination)(path, graph=graph)
        return found


def _infinitive(ability: Ability) -> str:
    verb, _, rest = ability.partition(" ")
    return f"{verb.removesuffix('s')} {rest}"


class _CheckedModel:
    def __init__(self, model: RunningModel, graph: Graph) -> None:
        self._run, self._graph = model.run, graph
        self.close = model.close

    def run(self, columns: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        found = [np.asarray(values) for values in expect(self._run(columns), list, by=self._run)]
        specs = self._graph.outputs
        if len(found) != len(specs):
            raise wrong_answer(self._run, f"returned {len(found)} outputs of a file that has {len(specs)}")
        for spec, values in zip(specs, found, strict=True):
            if values.shape[:1] != columns[0].shape[:1] or values.dtype != np.dtype(spec.dtype):
                told = f"{values.dtype} of shape {list(values.shape)}"
                raise wrong_answer(
                    self._run, f"returned {told} for {len(columns[0])} samples of the {spec.dtype} output '{spec.name}'"
                )
        return found


class _CheckedSession:
    def __init__(self, session: Session) -> None:
        self.loaded = expect(session.loaded, Loaded, by=session)
        self.warm_up = answering(session.warm_up, int)
        self.facts = answering(session.facts, SessionFacts)
        self.close = session.close
        self._run = session.run
        if isinstance(session, MeteredSession):
            self.energy = answering(session.energy, EnergyReading)

    def run(self, runs: int, seconds: float) -> tuple[NDArray[np.float64], float]:
        found = self._run(runs, seconds)
        try:
            samples, window_s = np.asarray(found[0], np.float64), float(found[1])
        except (TypeError, ValueError, IndexError) as error:
            raise wrong_answer(self._run, f"returned {found!r:.60} instead of samples and seconds") from error
        if samples.ndim != 1 or not samples.size or not (samples >= 0).all() or not np.isfinite(samples).all():
            raise wrong_answer(self._run, f"returned samples that cannot be times: {samples!r:.60}")
        return samples, window_s
