"""A target with its answers checked: those of other packages may be anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.answers import answering, expect, wrong_answer
from tflitekit.results import Figure, Profile, TargetKind
from tflitekit.targets.target import Loaded, Session, SessionFacts, Shapes, Target

__all__ = ["CheckedTarget"]


class CheckedTarget:
    """Passes everything on to a target, and raises `PackageError` where an answer cannot be."""

    def __init__(self, target: Target) -> None:
        self.name, self.kind, self.good_for = target.name, target.kind, target.good_for
        if not isinstance(self.name, str):
            raise wrong_answer(target, "has a name that is not a text")
        for shown, given, known in (("kind", [self.kind], TargetKind), ("good_for", self.good_for, Figure)):
            if unknown := [one for one in given if one not in get_args(known)]:
                raise wrong_answer(
                    target, f"has '{unknown[0]}' as its {shown}, instead of {', '.join(get_args(known))}"
                )
        self.profile = answering(target.profile, Profile)
        self.close = target.close
        self._identity = target.identity
        self._open = answering(target.open, Session)

    def identity(self) -> dict[str, Any]:
        found = expect(self._identity(), dict, by=self._identity)
        try:
            json.dumps(found)
        except (TypeError, ValueError) as error:
            raise wrong_answer(self._identity, f"returned what JSON cannot hold ({error})") from error
        return found

    def open(self, path: Path, *, threads: int, shapes: Shapes | None = None) -> Session:
        return _CheckedSession(self._open(path, threads=threads, shapes=shapes))


class _CheckedSession:
    def __init__(self, session: Session) -> None:
        self.loaded = expect(session.loaded, Loaded, by=session)
        self.warm_up = answering(session.warm_up, int)
        self.facts = answering(session.facts, SessionFacts)
        self.close = session.close
        self._run = session.run

    def run(self, runs: int, seconds: float) -> tuple[NDArray[np.float64], float]:
        found = self._run(runs, seconds)
        try:
            samples, window_s = np.asarray(found[0], np.float64), float(found[1])
        except (TypeError, ValueError, IndexError) as error:
            raise wrong_answer(self._run, f"returned {found!r:.60} instead of samples and seconds") from error
        if samples.ndim != 1 or not samples.size or not (samples >= 0).all() or not np.isfinite(samples).all():
            raise wrong_answer(self._run, f"returned samples that cannot be times: {samples!r:.60}")
        return samples, window_s
