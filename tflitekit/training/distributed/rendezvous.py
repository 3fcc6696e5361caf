"""How the workers of a distributed training find each other, stage by stage, and again after one was lost (main processes).

They meet through files in the output folder, which all of them see. The chief announces each attempt at a stage in
``chief.json``; each other worker answers in a file of its own that it has joined; when all have, every one starts a child
process that trains. Where a child loses the others, or a worker was started anew, the chief announces the next attempt, which
goes on from the last checkpoint.

A worker gives itself a new name each time it is started, its token, and follows announcements only that name it: those of an
earlier run are not for it.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Self

from tflitekit.core.errors import ConversionError, CrashError, LostWorkerError, TflitekitError, UsageError
from tflitekit.core.files import hash_json, write_json
from tflitekit.core.process.workers import WorkerPool
from tflitekit.core.progress import Progress
from tflitekit.options.training import TrainingOptions
from tflitekit.tflite.variant import tool_versions
from tflitekit.training.distributed.members import Members

__all__ = ["PATIENCE_S", "Chief", "follow", "hash_command"]

PATIENCE_S = 1800.0
"""How long a worker waits for one that is missing."""

_MOST_ATTEMPTS = 10  # one after the other without a finished epoch between
_POLL_S = 0.2
_SAY_S = 5.0  # waits shorter than that are not mentioned
_BEAT_S = 30.0
_STALE_S = 30.0  # after which the end of an earlier run of the same command counts as the end of this one
_GRACE_S = 30.0  # for the chief's own child, after another worker's has failed for a reason of its own
_SETTLE_S = 1.0  # in which a worker says why its child has ended
_FOLDER = "workers"
_TRAIN = "tflitekit.training.run.job:train_stage"

Stage = list[Any]
"""Run of the chief, number of the stage in it, attempt at it."""


class _Child:
    """A child process that trains; the one that forks it stays for the next stage."""

    def __init__(self) -> None:
        self._pool: WorkerPool | None = None

    def start(self, arguments: dict[str, Any], label: str) -> Future[Any]:
        self._pool = self._pool or WorkerPool(jobs=1, timeout_s=0.0)
        return self._pool.submit(_TRAIN, arguments, label=label, timeout_s=None, gpu=True)

    def end(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None


class Chief:
    """The chief's side.

    Args:
        work: Folder that all workers see.
        command: Hash of what is trained: workers with another one were started with another command.
    """

    def __init__(self, members: Members, work: Path, command: str, progress: Progress) -> None:
        self._members, self._folder, self._progress = members, work / _FOLDER, progress
        self._run, self._number = uuid.uuid4().hex, 0
        self._said: dict[str, Any] = {"command": command, "state": "prepare"}
        self._tokens: list[str] = []
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._thread, self._child = ThreadPoolExecutor(1), _Child()
        self._beat = threading.Thread(target=self._keep_in_touch, daemon=True)

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "chief.json").unlink(missing_ok=True)
        self._beat.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._ended.set()
        self._thread.shutdown()
        self._child.end()
        self._beat.join()
        if error is not None and self._said["state"] != "done":
            self._announce(state="failed", error=str(error) or type(error).__name__)

    def submit(self, call: str, arguments: dict[str, Any], label: str) -> Future[Any]:
        """Trains one stage with all workers."""
        assert call == _TRAIN
        self._number += 1
        return self._thread.submit(self._train, arguments, label)

    def release(self, result: Any) -> None:
        """Lets the other workers go, with a JSON value: everything is trained."""
        self._announce(state="done", result=result)

    def _train(self, arguments: dict[str, Any], label: str) -> Any:
        checkpoint = Path(arguments["folder"]) / "checkpoint.npz"
        reached, attempt, failures = _modified(checkpoint), 0, 0
        while True:
            stage = [self._run, self._number, attempt]
            self._announce(state="train", stage=stage, arguments=arguments, label=label)
            tokens = self._await_all(stage)
            try:
                return self._attempt(stage, tokens, arguments, label)
            except (LostWorkerError, CrashError) as error:
                if _modified(checkpoint) != reached:
                    reached, failures = _modified(checkpoint), 0
                failures += 1
                if failures >= _MOST_ATTEMPTS:
                    raise ConversionError(
                        f"{label}: workers were lost {failures} times without completing an epoch.", why=error.what
                    ) from error
                attempt += 1
                where = "its last checkpoint" if reached else "the beginning"
                self._progress.note(f"{error.what} The {label} continues from {where} when all workers are back.")

    def _attempt(self, stage: Stage, tokens: Mapping[int, str], arguments: dict[str, Any], label: str) -> Any:
        future = self._child.start(arguments, label)
        try:
            self._watch(future, stage, tokens)
        except BaseException:
            self._child.end()
            raise
        if isinstance(future.exception(), LostWorkerError | CrashError):
            time.sleep(_SETTLE_S)
            if (refusal := self._refusal(stage)) is not None:
                raise refusal
        return future.result()

    def _watch(self, future: Future[Any], stage: Stage, tokens: Mapping[int, str]) -> None:
        """Waits for the chief's own child, unless it waits for workers that are lost."""
        since: float | None = None
        while not wait([future], timeout=_POLL_S).done:
            if self._ended.is_set():
                raise ConversionError("Stopped.")
            for index, member in self._states().items():
                if member.get("token") != tokens[index]:
                    raise LostWorkerError(f"{self._name(index)} was restarted.")
                if member.get("failed") == stage and member["lost"]:
                    raise LostWorkerError(f"{self._name(index)} was lost: {member['error']}")
            refusal = self._refusal(stage)
            if refusal is not None:  # most likely that of all: the chief's own child says it in the user's terms
                since = since or time.monotonic()
                if time.monotonic() - since > _GRACE_S:
                    raise refusal

    def _refusal(self, stage: Stage) -> ConversionError | None:
        """Returns the error of a worker that cannot train the stage, however often it tries."""
        for index, member in self._states().items():
            if member.get("failed") == stage and not member["lost"]:
                return ConversionError(f"{self._name(index)} cannot train.", why=member["error"])
        return None

    def _await_all(self, stage: Stage) -> dict[int, str]:
        """Waits until all workers have joined; returns their tokens."""
        begun, said = time.monotonic(), False
        while True:
            members = self._states()
            missing = [index for index, member in members.items() if member.get("joined") != stage]
            if not missing:
                return {index: member["token"] for index, member in members.items()}
            if self._ended.is_set():
                raise ConversionError("Stopped.")
            waited = time.monotonic() - begun
            if waited > _SAY_S and not said:
                said = True
                self._progress.note(f"Waiting for {', '.join(self._members.name(index) for index in missing)}.")
            if waited > PATIENCE_S:
                raise UsageError(
                    f"{self._name(missing[0])} has not joined within {PATIENCE_S / 60:.0f} minutes.",
                    fix="Start the same command there with its own TF_CONFIG and the same --out on a file system that all "
                    "see, and this one again: it goes on from the last checkpoint.",
                )
            time.sleep(_POLL_S)

    def _keep_in_touch(self) -> None:
        """Names workers that have come, and shows that the chief is there."""
        beaten = -_BEAT_S
        while not self._ended.wait(_POLL_S):
            tokens = [member["token"] for member in self._states().values() if member]
            if tokens != self._tokens or time.monotonic() - beaten > _BEAT_S:
                self._tokens, beaten = tokens, time.monotonic()
                self._announce()

    def _announce(self, **said: Any) -> None:
        with self._lock:
            if said:
                self._said = {"command": self._said["command"], **said}
            beat = {"run": self._run, "time": time.time(), "tokens": self._tokens}
            write_json(self._folder / "chief.json", self._said | beat)

    def _states(self) -> dict[int, dict[str, Any]]:
        """Returns what each other worker says; nothing for one that was never there."""
        indices = range(1, len(self._members.workers))
        return {index: _read(self._folder / f"worker-{index}.json") or {} for index in indices}

    def _name(self, index: int) -> str:
        return self._members.name(index).capitalize()


def hash_command(sha256: str, schemes: Sequence[str], options: TrainingOptions, seed: int) -> str:
    """Returns the hash of what all workers of a training must have been told alike.

    Args:
        sha256: Of the model.
        schemes: Those that train.
    """
    versions = {name: version for name, version in tool_versions().items() if name not in ("numpy", "ai-edge-litert")}
    return hash_json([sha256, list(schemes), options.key(), seed, versions])


def follow(
    members: Members, work: Path, command: str, *, model: Path, custom_objects: str | None, progress: Progress
) -> Any:
    """Trains along with the chief until everything is trained.

    Args:
        work: Folder that all workers see.
        command: As the chief's (see `hash_command`).
        model: The model's file on this machine.

    Returns:
        What the chief gave to `Chief.release`.

    Raises:
        UsageError: The chief does not show up, or trains something else.
        ConversionError: The chief gave up.
    """
    member = _Member(members, work, command, model, custom_objects, progress)
    try:
        return member.run()
    finally:
        member.end()


class _Member:
    def __init__(
        self,
        members: Members,
        work: Path,
        command: str,
        model: Path,
        custom_objects: str | None,
        progress: Progress,
    ) -> None:
        self._members, self._work, self._folder, self._command = members, work, work / _FOLDER, command
        self._model, self._custom_objects, self._progress = model, custom_objects, progress
        self._token, self._child = uuid.uuid4().hex, _Child()
        self._heard: dict[str, Any] | None = None
        self._heard_at = time.monotonic()

    def run(self) -> Any:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._write()
        last: Any = None
        said = False
        while True:
            found = self._listen()
            silent = time.monotonic() - self._heard_at
            if found is None:
                if silent > _SAY_S and not said:
                    said = True
                    self._progress.note(f"Waiting for the chief, {self._members.name(0)}.")
                if silent > PATIENCE_S:
                    raise UsageError(
                        f"The chief, {self._members.name(0)}, has not been heard of for {PATIENCE_S / 60:.0f} minutes.",
                        fix="Start the same command there, with the same --out on a file system that all of them share, and this one "
                        "again: training continues from the last checkpoint.",
                    )
            elif found["state"] == "done":
                return found["result"]
            elif found["state"] == "train" and found["stage"] != last:
                last, said = found["stage"], False
                self._train(found)
            time.sleep(_POLL_S)

    def end(self) -> None:
        """Ends what still trains."""
        self._child.end()

    def _listen(self) -> dict[str, Any] | None:
        """Returns what the chief says to this worker, or None when that is nothing new for long."""
        found = _read(self._folder / "chief.json")
        if found is not None and found != self._heard:
            if self._heard is not None or self._token in found["tokens"]:
                self._heard_at = time.monotonic()
            self._heard = found
        silent = time.monotonic() - self._heard_at
        if found is None or (self._token not in found["tokens"] and not self._is_old_end(found, silent)):
            return None
        if found["command"] != self._command:
            raise UsageError(
                "This worker was started with a different command from the chief.",
                why="Model, schemes that train, training options, seed and the versions of the tools must be the same.",
                fix="Run the same command on every worker; only TF_CONFIG differs.",
            )
        if found["state"] == "failed":
            raise ConversionError("The chief gave up.", why=found["error"])
        return found if silent < 3 * _BEAT_S or found["state"] == "done" else None

    def _is_old_end(self, found: Mapping[str, Any], silent: float) -> bool:
        return found["state"] == "done" and found["command"] == self._command and silent > _STALE_S

    def _train(self, said: Mapping[str, Any]) -> None:
        stage, label = said["stage"], said["label"]
        self._write(joined=stage)
        along = f"{label[0].upper()}{label[1:]}, as worker {self._members.index} of {len(self._members.workers)}"
        with self._progress.task(along, None):
            future = self._child.start(self._localize(said["arguments"]), label)
            while not wait([future], timeout=_POLL_S).done:
                now = self._listen()
                if now is not None and now.get("stage") != stage:
                    self._child.end()  # the chief has begun anew, or is further
                    return
        error = future.exception()
        if error is None:
            return
        if not isinstance(error, TflitekitError):
            raise error
        lost = isinstance(error, LostWorkerError | CrashError)
        self._write(joined=stage, failed=stage, lost=lost, error=error.what if lost else str(error))
        self._progress.note(f"{error.what} Waiting for the chief, {self._members.name(0)}.")

    def _localize(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Puts this machine's paths in the place of the chief's."""
        previous = arguments["previous"]
        return {
            **arguments,
            "source": arguments["source"] | {"path": str(self._model), "custom_objects": self._custom_objects},
            "data": arguments["data"] | {"folder": str(self._work / Path(arguments["data"]["folder"]).name)},
            "folder": str(self._work / Path(arguments["folder"]).name),
            "previous": previous and str(self._work / Path(previous).name),
            "tensorboard": None,
        }

    def _write(self, **said: Any) -> None:
        write_json(self._folder / f"worker-{self._members.index}.json", {"token": self._token, **said})


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _modified(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
