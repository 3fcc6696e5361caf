"""The child's side of `tflitekit.core.process.workers`: runs one task in a process of its own.

``serve``: a fork server. It imports TensorFlow once, then reads one JSON request a line
from standard input and forks a child for each, so that no child pays for the import and a child that aborts
takes nobody with it. TensorFlow must only be *imported* here, never used: its threads would not survive the fork.

``run REQUEST.json``: one task in a fresh interpreter, for systems that cannot fork.

`tflitekit.core.process.workers` starts both without the working directory on the path, so that a ``numpy.py`` that lies there is not run.

A request names a function of the kit, its JSON arguments, and the files for the result and for what the task prints.
"""

from __future__ import annotations

import gc
import importlib
import json
import math
import os
import selectors
import signal
import sys
import time
import traceback
import warnings
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tflitekit.core.errors import TflitekitError, as_known
from tflitekit.core.files import write_json
from tflitekit.core.lifetime import end_with_parent, live_without_parent

__all__ = ["main"]

_PACKAGE = "tflitekit."


def execute(request: dict[str, Any]) -> int:
    """Runs one request and writes its result file; returns the exit code of the process."""
    warnings.filterwarnings("ignore", category=UserWarning, module="tensorflow")  # would drown the last words
    if not request.get("gpu"):
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # read when TensorFlow first asks for devices
    module_name, _, function_name = request["call"].partition(":")
    if not module_name.startswith(_PACKAGE):
        raise ValueError(f"{module_name} is not part of the kit")
    result = Path(request["result"])
    try:
        function = getattr(importlib.import_module(module_name), function_name)
        write_json(result, {"value": function(**request["arguments"])})
    except TflitekitError as error:
        write_json(result, {"error": error.to_json()})
        return 1
    except Exception as error:  # noqa: BLE001 - reported to the parent, whatever it is
        if (known := as_known(error)) is not None:
            write_json(result, {"error": known.to_json()})
            return 1
        traceback.print_exc()
        sys.stderr.flush()
        write_json(result, {"exception": f"{type(error).__name__}: {error}"})
        return 1
    return 0


def _redirect(log: str) -> None:
    """Sends standard output and error, also those of C++ code, into the log; standard input is empty."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


def _import(modules: Sequence[str]) -> None:
    """Imports modules without the garbage collector, which finds nothing there and takes a fifth of TensorFlow's time.

    Nor do the children go through what was imported, which would copy the memory of every object to them.
    """
    gc.disable()
    # Keras serves scikit-learn and pandas where it finds them, which takes a quarter of TensorFlow's time. None hides a module.
    hidden = [name for name in ("pandas", "sklearn") if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    for module in modules:
        importlib.import_module(module)
    for name in hidden:
        del sys.modules[name]
    gc.freeze()
    gc.enable()


def _serve(parent: int, preload: Sequence[str]) -> None:
    """Reads requests until standard input closes or the parent is gone, then ends all children and itself."""
    server = os.getpid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    end_with_parent(parent)  # while it imports, it does not see the parent go
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # nothing but answers may reach the parent's pipe
    jobs = 1
    _import(preload)
    live_without_parent()  # which ends with the thread that started this process

    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    selector.register(wake_read, selectors.EVENT_READ)
    waiting: deque[dict[str, Any]] = deque()
    running: dict[int, tuple[dict[str, Any], float]] = {}
    buffer = b""
    while os.getppid() == parent:
        while waiting and len(running) < jobs:
            request = waiting.popleft()
            limit = request["timeout_s"]
            deadline = math.inf if limit is None else time.monotonic() + float(limit)
            pid = os.fork()
            if pid == 0:
                _child(request, server)
            running[pid] = (request, deadline)
        for key, _ in selector.select(timeout=0.5 if running else 2.0):
            if key.fd == wake_read:
                os.read(wake_read, 4096)
                continue
            chunk = os.read(0, 1 << 16)
            if not chunk:
                parent = 0
            *lines, buffer = (buffer + chunk).split(b"\n")
            for message in map(json.loads, lines):
                if "jobs" in message:
                    jobs = int(message["jobs"])
                else:
                    waiting.append(message)
        for pid, (request, deadline) in list(running.items()):
            if time.monotonic() > deadline and not request.get("timed_out"):
                request["timed_out"] = True
                os.kill(pid, signal.SIGKILL)
            finished, status = os.waitpid(pid, os.WNOHANG)
            if finished:
                del running[pid]
                answer = {"id": request["id"], "exit": os.waitstatus_to_exitcode(status)}
                answers.write(json.dumps(answer | {"timed_out": bool(request.get("timed_out"))}) + "\n")
    for pid in running:
        os.kill(pid, signal.SIGKILL)
    os._exit(0)


def _child(request: dict[str, Any], server: int) -> None:
    code = 1
    try:
        end_with_parent(server)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _redirect(request["log"])
        if request["directory"] is not None:
            os.chdir(request["directory"])
        code = execute(request)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - a forked child must never return into the server's loop
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def main() -> None:
    """Entry point of both modes."""
    mode, parent, *others = sys.argv[1:]
    if mode == "serve":
        _serve(int(parent), others)
    else:
        end_with_parent(int(parent))
        request = json.loads(Path(others[0]).read_text())
        _redirect(request["log"])
        sys.exit(execute(request))


if __name__ == "__main__":
    main()
