"""Runs tasks in child processes, so that a crash, an abort or a hang of one is one recorded failure."""

from __future__ import annotations

import atexit
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, ClassVar, Self

from tflitekit.core import errors
from tflitekit.core.errors import (
    MORE_MEMORY,
    ConversionError,
    CrashError,
    OutOfMemoryError,
    TflitekitError,
    as_known,
)
from tflitekit.core.lifetime import scratch

__all__ = ["TENSORFLOW", "WorkerPool", "last_words", "run_alone", "start_early", "wait_for"]

_CAN_FORK = sys.platform == "linux"
_LAST_WORDS_CHARS = 2000
_LOG_LINE = re.compile(
    r"WARNING: All log messages before absl|(INFO|WARNING):absl:|INFO: |[IW]\d{4} \d\d:\d\d:|\d{4}-\d\d-\d\d [\d:.]+: [IW] "
    r"| +@ +0x[0-9a-f]+ "
)
"""What TensorFlow's and the runtime's loggers say below an error, and their stack traces: never why something ended."""
_IDLE_S = 60.0
_CRASH_ADVICE = (
    "TensorFlow or the runtime crashed, which the kit cannot repair. Full integer schemes often crash on the loop of "
    "an LSTM or GRU that was not fused; float16 and dynamic_range need no calibration and may work."
)
TENSORFLOW = ("tensorflow", "tensorflow.lite.python.lite", "ai_edge_litert.interpreter")


@dataclass
class _Task:
    label: str
    request: dict[str, Any]
    future: Future[Any]


_PROGRAM = "import sys; sys.path.append(sys.argv.pop(1)); from tflitekit.core.process.worker import main; main()"


def _environment() -> dict[str, str]:
    # NumPy's linear algebra would start a thread per core in each worker, and they would wait for each other.
    defaults = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "OPENBLAS_NUM_THREADS": "1"}
    environment = defaults | os.environ | {"TMPDIR": str(scratch())}
    environment.pop("COLUMNS", None)  # of a terminal that they do not see; another width is no other environment
    if "PYTHONPATH" in environment:  # an empty part, as in ":/my/modules", would be the working directory
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, environment["PYTHONPATH"].split(os.pathsep)))
    return environment


def _start(mode: str, *arguments: str, log: IO[bytes], pipe: bool = False) -> subprocess.Popen[bytes]:
    """Starts an interpreter that has the libraries on its path and what PYTHONPATH names, but not the working directory.

    Args:
        log: Receives what it prints.
        pipe: Whether its standard input and output are pipes instead.
    """
    home = str(Path(__file__).resolve().parents[3])
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _PROGRAM, home, mode, str(os.getpid()), *arguments],
        stdin=subprocess.PIPE if pipe else subprocess.DEVNULL, stdout=subprocess.PIPE if pipe else log, stderr=log,
        env=_environment(), start_new_session=True,
    )  # fmt: skip


def _working_directory() -> str | None:
    """Returns the working directory, or None where it was removed."""
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return None


class _ForkServer:
    """The process that has imported what tasks need and forks a child for each.

    It outlives the pool that started it by a minute, so that the next pool of this process pays for no import. It is
    only taken again where a new one would not differ: the same modules and environment. Children go to the pool's working
    directory.
    """

    _idle: ClassVar[list[_ForkServer]] = []

    def __init__(self, preload: tuple[str, ...], key: object) -> None:
        self.key, self.pid = key, os.getpid()
        self._log = tempfile.TemporaryFile(dir=scratch())  # noqa: SIM115 - open as long as the server
        self._process = _start("serve", *preload, log=self._log, pipe=True)
        self._timer: threading.Timer | None = None
        self._answer: Callable[[dict[str, Any]], None] = lambda answer: None
        self._end: Callable[[str], None] = lambda words: None
        self._words: str | None = None
        threading.Thread(target=self._listen, daemon=True).start()

    @classmethod
    def take(cls, preload: tuple[str, ...]) -> _ForkServer:
        """Returns one that waits, or starts one."""
        environment = _environment()
        relative = not all(map(os.path.isabs, filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))))
        key: object = (os.getpid(), preload, environment, _working_directory() if relative else None)
        for server in list(cls._idle):
            if server.key == key and server.wake():
                return server
        return cls(preload, key)

    def wake(self) -> bool:
        """Takes it out of those that wait; says whether it still runs."""
        assert self._timer is not None
        self._timer.cancel()
        return self._leave() and self._process.poll() is None

    def serve(self, jobs: int, answer: Callable[[dict[str, Any]], None], end: Callable[[str], None]) -> None:
        """Begins to work for a pool: `answer` takes each child's end, `end` the last words of the server."""
        self._answer, self._end = answer, end
        if self._words is not None:  # it has ended already
            end(self._words)
        self.send({"jobs": jobs})

    def send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the listener sees the end of the server and fails the tasks

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answer(json.loads(line))
        self._log.seek(0)
        self._words = last_words(self._log.read())
        self._end(self._words)

    def rest(self) -> None:
        """Keeps it for the next pool. Only where no child runs."""
        self._answer, self._end = lambda answer: None, lambda words: None
        self._timer = threading.Timer(_IDLE_S, self._expire)
        self._timer.daemon = True
        self._idle.append(self)
        self._timer.start()

    def _expire(self) -> None:
        if self._leave():
            self.kill()

    def _leave(self) -> bool:
        """Takes it out of those that wait; False where another thread did so just now: a pool that takes it, or its timer."""
        try:
            self._idle.remove(self)
        except ValueError:
            return False
        return True

    def kill(self) -> None:
        """Ends it and every child that still runs."""
        self._leave()
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    @classmethod
    def kill_idle(cls) -> None:
        for server in list(cls._idle):
            if server.pid == os.getpid():  # not in a fork of this process
                server.kill()


atexit.register(_ForkServer.kill_idle)


class WorkerPool:
    """Child processes for functions of the kit; TensorFlow's import is paid once for all of them.

    Args:
        jobs: How many run at a time.
        timeout_s: A task that takes longer is ended and recorded as a failure.
        preload: Modules that are imported once, before the children are forked.
    """

    def __init__(self, *, jobs: int, timeout_s: float, preload: tuple[str, ...] = TENSORFLOW) -> None:
        self.jobs, self._timeout_s = jobs, timeout_s
        self.threads: int | None = jobs
        # What tasks print and return; apart from the results, so that a full disk there can still be reported.
        self._folder = tempfile.TemporaryDirectory(dir=scratch())
        self._logs = Path(self._folder.name)
        self._tasks: dict[int, _Task] = {}
        self._count = 0
        self._lock = threading.RLock()
        self._slots = threading.Semaphore(jobs)
        self._single: set[subprocess.Popen[bytes]] = set()
        self._ended: TflitekitError | None = None
        self._directory = _working_directory()
        self._server = _ForkServer.take(preload) if _CAN_FORK else None
        if self._server is not None:
            self._server.serve(jobs, self._answered, self._server_ended)

    def submit(
        self,
        call: str,
        arguments: dict[str, Any],
        *,
        label: str,
        timeout_s: float | None = 0.0,
        gpu: bool = False,
    ) -> Future[Any]:
        """Runs ``module:function`` of the kit with JSON arguments in a child.

        Args:
            timeout_s: Instead of the pool's; None for no limit.
            gpu: Whether the child may use GPUs. Converting is faster without.

        Returns:
            A future of its JSON value; its exception is a `TflitekitError`, a `ConversionError` for a crash.
        """
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        with self._lock:
            self._count += 1
            number = self._count
            request: dict[str, Any] = {
                "id": number,
                "call": call,
                "arguments": arguments,
                "result": str(self._logs / f"{number}.result.json"),
                "log": str(self._logs / f"{number}-{_file_name(label)}.log"),
                "timeout_s": self._timeout_s if timeout_s == 0.0 else timeout_s,
                "gpu": gpu,
                "directory": self._directory,
            }
            for name in ("result", "log"):
                Path(request[name]).unlink(missing_ok=True)
            task = _Task(label, request, future)
            if self._ended is not None:
                future.set_exception(self._ended)
                return future
            self._tasks[number] = task
            if self._server is not None:
                self._server.send(request)
        if self._server is None:
            threading.Thread(target=self._run_single, args=(task,), daemon=True).start()
        return future

    def _answered(self, answer: dict[str, Any]) -> None:
        with self._lock:  # the pool is not closed, and its folder not removed, while the result is read
            _finish(self._tasks.pop(answer["id"]), answer["exit"], timed_out=answer["timed_out"])

    def _server_ended(self, words: str) -> None:
        with self._lock:
            if "No module named" in words:
                self._ended = missing_tensorflow(words)
            else:
                self._ended = as_known(Exception(words)) or ConversionError("The worker process ended.", why=words)
            orphans, self._tasks = list(self._tasks.values()), {}
        for task in orphans:
            task.future.set_exception(self._ended)

    def _run_single(self, task: _Task) -> None:
        """Without fork: a fresh interpreter for each task."""
        with self._slots:
            path = Path(task.request["result"]).with_suffix(".request.json")
            path.write_text(json.dumps(task.request))
            with path.with_suffix(".log").open("ab") as log, _start("run", str(path), log=log) as child:
                self._single.add(child)
                timed_out = False
                try:
                    child.wait(task.request["timeout_s"])
                except subprocess.TimeoutExpired:
                    timed_out = True
                    child.kill()
                    child.wait()
                self._single.discard(child)
            _finish(task, child.returncode, timed_out=timed_out)

    def close(self) -> None:
        """Ends every child that still runs."""
        if self._server is not None:
            with self._lock:
                at_work = self._tasks or self._ended is not None
            if at_work:
                self._server.kill()
            else:
                self._server.rest()
            self._server = None
        for child in list(self._single):
            child.kill()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def start_early(preload: tuple[str, ...]) -> None:
    """Starts the process that forks workers before a pool needs it, so that both processes import what they need at the same time.

    The next pool with the same modules takes it.
    """
    if _CAN_FORK:
        _ForkServer.take(preload).rest()


def wait_for(future: Future[Any]) -> Any:
    """Waits for a future in short steps, so that Ctrl-C arrives; returns its value or raises its exception."""
    while not wait([future], timeout=0.2).done:
        pass
    return future.result()


def run_alone(
    call: str, arguments: dict[str, Any], *, label: str, timeout_s: float = 600.0, preload: tuple[str, ...]
) -> Any:
    """Runs one function of the kit in a process of its own and returns its JSON value.

    Args:
        preload: Modules that it needs, imported once for all calls that name the same.

    Raises:
        TflitekitError: What the function raised; `ConversionError` where the process crashed or hung.
    """
    with WorkerPool(jobs=1, timeout_s=timeout_s, preload=preload) as pool:
        return wait_for(pool.submit(call, arguments, label=label))


def missing_tensorflow(detail: str) -> TflitekitError:
    """Returns the error for an installation without the ``convert`` extra."""
    return errors.MissingDependencyError(
        "Converting needs TensorFlow, which is not installed (or not completely).",
        why=detail.strip().splitlines()[-1] if detail.strip() else None,
        fix="Install it with: pip install 'tflitekit[convert]'",
    )


def _finish(task: _Task, exit_code: int, *, timed_out: bool) -> None:
    """Turns what a child left behind into the future's value or exception."""
    result = Path(task.request["result"])
    if timed_out:
        task.future.set_exception(
            ConversionError(
                f"{task.label}: ended after {task.request['timeout_s']:.0f} s without a result.",
                why=_log_words(Path(task.request["log"])) or None,
                fix="Give it more time with --timeout SECONDS.",
            )
        )
        return
    content = json.loads(result.read_text()) if result.exists() else {}
    if "value" in content:
        task.future.set_result(content["value"])
    elif "error" in content:
        task.future.set_exception(TflitekitError.from_json(content["error"]))
    else:
        words = _log_words(Path(task.request["log"]))
        task.future.set_exception(as_known(Exception(words)) or _failure(task.label, content, exit_code, words))


def _failure(label: str, content: Mapping[str, Any], exit_code: int, words: str) -> ConversionError:
    """Returns the error for a child that raised what the kit does not know, or ended without a result."""
    why = f"It last printed: {words}" if words else None
    if content:
        return ConversionError(f"{label}: {content['exception']}", why=why)
    if exit_code == -signal.SIGKILL:  # nobody else does so to a child
        what = f"{label}: the process was killed by SIGKILL, as Linux does where memory is not enough."
        return OutOfMemoryError(what, why=why, fix=MORE_MEMORY)
    ended = (
        f"ended with exit code {exit_code}" if exit_code >= 0 else f"was killed by {signal.Signals(-exit_code).name}"
    )
    return CrashError(f"{label}: the process {ended}.", why=why, fix=_CRASH_ADVICE)


def _log_words(log: Path) -> str:
    try:
        return last_words(log.read_bytes())
    except OSError:
        return ""


def last_words(log: bytes) -> str:
    text = log[-20000:].decode(errors="replace")
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and not _LOG_LINE.match(line)]
    return "\n".join(lines[-12:])[-_LAST_WORDS_CHARS:]


def _file_name(label: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in label)
