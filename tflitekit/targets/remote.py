"""The kit's side of a worker (`tflitekit.targets.worker`): a process of any Python, here or elsewhere, that holds one file.

A target on top of it says which command starts the worker, and with which engine.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import ModelError, TflitekitError
from tflitekit.core.process.ending import end_process
from tflitekit.results import Accelerator
from tflitekit.targets.target import EnergyReading, Loaded, SessionFacts, Shapes
from tflitekit.targets.worker.frames import read_frame, write_frame
from tflitekit.tflite.graph import Graph
from tflitekit.tflite.runtime import quantize, random_values, zeros

__all__ = ["WORKER", "Remote", "RemoteModel", "RemoteSession", "Start", "random_batch"]

WORKER = Path(__file__).parent / "worker"
"""The folder that a worker runs from; it may be copied to another machine."""

_LAST_WORDS = 2000
_END_S = 10.0


@dataclass(frozen=True)
class Start:
    """How a worker is started.

    Attributes:
        command: The program and its arguments, without a shell: a Python, the worker's folder there, and the engine.
        where: What sentences call the place: 'the emulated ARM64 processor'.
        environment: Variables on top of those of this process.
        ended: Returns what it means that the worker ended, from its exit code and its last words; None where nothing more is known.
    """

    command: Sequence[str]
    where: str
    environment: Mapping[str, str] = field(default_factory=dict)
    ended: Callable[[int | None, str], TflitekitError | None] = lambda code, words: None


class Remote:
    """A running worker.

    Raises:
        ModelError: It cannot be started, or ends at once; with its last words.
    """

    def __init__(self, start: Start) -> None:
        self._start = start
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the worker; without a name, so gone with the process
        try:
            self._process = subprocess.Popen(
                list(start.command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env={**os.environ, **start.environment},
            )
        except OSError as error:
            raise ModelError(f"The worker for {start.where} cannot be started.", why=str(error)) from error
        # Also where nobody closes it: a process whose object is gone would stay, with its pipes open.
        self._finalizer = weakref.finalize(self, _end, self._process, self._log)
        try:
            self.told = self.ask("hello")[0]
        except BaseException:
            self.close()
            raise

    def ask(
        self, action: str, arrays: Sequence[NDArray[Any]] = (), **message: Any
    ) -> tuple[dict[str, Any], list[NDArray[Any]]]:
        """Sends a message and waits for the answer.

        Raises:
            ModelError: The worker says that it failed, or has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            write_frame(self._process.stdin, {"do": action, **message}, arrays)  # type: ignore[arg-type]
            answer, found = read_frame(self._process.stdout)  # type: ignore[arg-type]
        except (EOFError, OSError, ValueError, RecursionError) as error:
            raise self._ended() from error
        if "error" in answer:
            raise ModelError(f"{self._start.where} refuses it.", why=str(answer["error"]))
        return answer, found

    def _ended(self) -> TflitekitError:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        code, words = self._process.poll(), self.log()[-_LAST_WORDS:].strip()
        if (known := self._start.ended(code, words)) is not None:
            return known
        how = f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with code {code}"
        return ModelError(f"The worker for {self._start.where} {how}.", why=words or "It said nothing.", fix=None)

    def log(self) -> str:
        """Returns what the worker and its libraries have printed so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def close(self) -> None:
        """Ends the worker."""
        self._finalizer()


def _end(process: subprocess.Popen[bytes], log: BinaryIO) -> None:
    end_process(process)
    log.close()


class RemoteModel:
    """A file in a worker that computes samples (see `RunningModel`).

    Args:
        path: What the worker knows the file as; that of this machine when not given.
    """

    def __init__(self, start: Start, file: Path, graph: Graph, *, path: str | None = None, threads: int = 1) -> None:
        _check_sendable(graph, file)
        self._remote, self._graph = Remote(start), graph
        self._path, self._threads = path or str(file.resolve()), threads
        self._shapes: list[tuple[int, ...]] = []
        self._anew = None if not graph.keeps_state else "reset" if graph.resettable else "load"
        if not graph.open_inputs:
            self._load([quantize(zeros(spec), spec) for spec in graph.inputs])

    def _load(self, batch: list[NDArray[Any]]) -> None:
        shapes = [values.shape for values in batch]
        if shapes == self._shapes:
            return
        try:
            self._remote.ask("load", batch, path=self._path, threads=self._threads)
        except BaseException:
            self._remote.close()
            raise
        self._shapes = shapes

    def run(self, columns: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        self._load([values[: self._graph.batch] for values in columns])
        return self._remote.ask("run", columns, batch=self._graph.batch, anew=self._anew)[1]

    def log(self) -> str:
        """Returns what the worker has printed so far."""
        return self._remote.log()

    def close(self) -> None:
        self._remote.close()


class RemoteSession:
    """A file in a worker that is measured (see `Session`)."""

    def __init__(
        self, start: Start, file: Path, graph: Graph, *, threads: int, shapes: Shapes, path: str | None = None
    ) -> None:
        _check_sendable(graph, file)
        self._remote = Remote(start)
        try:
            answer, _ = self._remote.ask(
                "load", random_batch(graph, shapes), path=path or str(file.resolve()), threads=threads
            )
        except BaseException:
            self._remote.close()
            raise
        self.loaded = Loaded.model_validate(answer)

    def warm_up(self, runs: int, seconds: float) -> int:
        return len(self.run(runs, seconds)[0])

    def run(self, runs: int, seconds: float) -> tuple[NDArray[np.float64], float]:
        samples = self._remote.ask("time", runs=runs, seconds=seconds)[1][0]
        return samples[:-1] / 1e3, float(samples[-1]) / 1e9

    def facts(self) -> SessionFacts:
        answer, _ = self._remote.ask("facts")
        return SessionFacts(**answer, accelerator=Accelerator(requested="cpu", actual="cpu"))

    def energy(self) -> EnergyReading:
        return EnergyReading.model_validate(self._remote.ask("energy")[0])

    def close(self) -> None:
        self._remote.close()


def _check_sendable(graph: Graph, file: Path) -> None:
    for spec in graph.inputs:
        if spec.is_text or spec.dtype in ("resource", "variant"):
            raise ModelError(
                f"The input '{spec.name}' of {file.name} takes {'text' if spec.is_text else f'{spec.dtype}s'}, which the kit sends to no "
                "other target."
            )


def random_batch(graph: Graph, shapes: Shapes) -> list[NDArray[Any]]:
    """Returns `random_values` as the file's tensors have them."""
    values = random_values(graph.inputs, shapes)
    return [quantize(each, spec) for each, spec in zip(values, graph.inputs, strict=True)]
