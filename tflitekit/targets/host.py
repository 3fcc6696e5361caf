"""This machine, through ai-edge-litert, in a fresh process per file."""

from __future__ import annotations

import functools
import json
import os
import platform
import tempfile
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflitekit.core.errors import ConversionError, ModelError, TflitekitError
from tflitekit.core.lifetime import scratch
from tflitekit.core.machine import cpu_model
from tflitekit.core.process.workers import WorkerPool, wait_for
from tflitekit.results import Figure, Profile, TargetKind
from tflitekit.targets import EnergyReading, Loaded, SessionFacts, Shapes, register_target
from tflitekit.targets.worker.meters import Meters
from tflitekit.tflite.runtime import runtime_name

__all__ = ["HostTarget"]

_MOST_SESSIONS = 1024
_TIMEOUT_S = 30 * 86_400.0
_POLL_S = 0.2
_LONGEST_FOLDER = 40


@register_target("host")
class HostTarget:
    """This machine.

    Processes are forked from a small server that has imported the runtime and nothing else of weight, so that a fresh one
    costs milliseconds.
    """

    name = "host"
    kind: TargetKind = "host"
    good_for: tuple[Figure, ...] = ("accuracy",)

    def __init__(self) -> None:
        self._pool = WorkerPool(
            jobs=_MOST_SESSIONS,
            timeout_s=_TIMEOUT_S,
            preload=("tflitekit.targets.session", "tflitekit.targets.profiling"),
        )
        # The path of a socket may have about 100 characters.
        short = Path("/tmp") if os.name == "posix" and len(tempfile.gettempdir()) > _LONGEST_FOLDER else None
        self._folder = tempfile.TemporaryDirectory(dir=scratch(short))
        self._opened = 0

    def close(self) -> None:
        self._pool.close()
        self._folder.cleanup()

    def identity(self) -> dict[str, Any]:
        return {
            "cpu": cpu_model(),
            "cores": os.cpu_count(),
            "machine": platform.machine(),
            "system": platform.system(),
            "runtime": runtime_name(),
        }

    def open(self, path: Path, *, threads: int, shapes: Shapes | None = None) -> HostSession:
        self._opened += 1
        unix = os.name == "posix"
        with Listener(str(Path(self._folder.name) / f"{self._opened}.socket") if unix else None) as listener:
            arguments = {
                "address": listener.address,
                "path": str(path.resolve()),
                "threads": threads,
                "shapes": dict(shapes or {}),
            }
            future = self._pool.submit("tflitekit.targets.session:serve", arguments, label=path.name)
            connection = _accept(listener, future, path)
        return HostSession(connection, future, path)

    def profile(self, path: Path, *, threads: int, shapes: Shapes | None = None) -> Profile:
        arguments = {"path": str(path.resolve()), "threads": threads, "shapes": dict(shapes or {})}
        future = self._pool.submit("tflitekit.targets.profiling:profile", arguments, label=path.name)
        try:
            return Profile.model_validate(wait_for(future))
        except ConversionError as error:
            raise _crashed(path, error) from error


class HostSession:
    """A file in a process of its own."""

    def __init__(self, connection: Connection, future: Future[Any], path: Path) -> None:
        self._connection, self._future, self._path = connection, future, path
        self.loaded = Loaded.model_validate_json(self._receive())

    def warm_up(self, runs: int, seconds: float) -> int:
        return len(self.run(runs, seconds)[0])

    def run(self, runs: int, seconds: float) -> tuple[NDArray[np.float64], float]:
        self._send({"do": "run", "runs": runs, "seconds": seconds})
        samples = np.frombuffer(self._receive(), np.int64)
        return samples[:-1] / 1e3, float(samples[-1]) / 1e9

    def facts(self) -> SessionFacts:
        self._send({"do": "facts"})
        return SessionFacts.model_validate_json(self._receive())

    def energy(self) -> EnergyReading:
        meters = _meters()
        return EnergyReading(time_s=time.monotonic(), joules=meters.read(), locked=tuple(meters.locked))

    def close(self) -> None:
        with suppress(OSError):  # it ended by itself, which the last answer has told
            self._connection.send_bytes(b'{"do": "stop"}')
        self._connection.close()  # before waiting: an answer that nobody reads any more would not end
        with suppress(TflitekitError):
            wait_for(self._future)

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._connection.send_bytes(json.dumps(message).encode())
        except OSError as error:
            raise self._ended() from error

    def _receive(self) -> bytes:
        while not self._connection.poll(_POLL_S):  # in short steps, so that Ctrl-C arrives
            continue
        try:
            return self._connection.recv_bytes()
        except (EOFError, OSError) as error:
            raise self._ended() from error

    def _ended(self) -> TflitekitError:
        return _reason(self._future, self._path)


@functools.cache
def _meters() -> Meters:
    meters = Meters()
    meters.start()
    return meters


def _accept(listener: Listener, future: Future[Any], path: Path) -> Connection:
    """Waits for the process to call, or to fail."""
    accepted: Future[Connection] = Future()
    threading.Thread(target=lambda: accepted.set_result(listener.accept()), daemon=True).start()
    while not accepted.done():
        wait([accepted, future], timeout=_POLL_S, return_when=FIRST_COMPLETED)
        if future.done() and not accepted.done():
            Client(listener.address).close()  # ends the thread
            raise _reason(future, path)
    return accepted.result()


def _reason(future: Future[Any], path: Path) -> TflitekitError:
    try:
        wait_for(future)
    except ConversionError as error:
        return _crashed(path, error)
    except TflitekitError as error:
        return error
    return ModelError(f"The process that measured {path.name} ended early.")


def _crashed(path: Path, error: ConversionError) -> ModelError:
    return ModelError(f"{path.name} crashes the runtime ({runtime_name()}).", why=f"{error.what}\n{error.why}")
