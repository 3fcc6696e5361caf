"""Chunks of a data set, processed on all cores, in bounded memory.

Forked processes where they are to be had: threads would share Python's lock, and handing it over after every `invoke()`
of a small model costs a fifth of the throughput. A process that crashes is an error, not the end of the run. Threads
where processes do not fit: with one job, on systems that cannot fork safely, in a program that has loaded TensorFlow
(its threads would not survive the fork), and for factories, whose samples exist only once.
"""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from tflitekit.core.errors import ModelError, TflitekitError, as_known
from tflitekit.core.lifetime import end_with_parent
from tflitekit.data.dataset import Dataset, Sample

__all__ = ["Done", "process_chunks"]

Processor = Callable[[list[Sample]], Any]

MODEL_CRASHED = ModelError(
    "A process that ran the models crashed.",
    fix="Run 'tflitekit evaluate' on one file at a time to see which one the runtime cannot take.",
)

_POLL_S = 0.2


class Done(NamedTuple):
    """One finished chunk: the number of its first sample, its length, and what the processor returned."""

    start: int
    length: int
    value: Any


def process_chunks(
    dataset: Dataset,
    size: int,
    jobs: int,
    make_processor: Callable[[], Processor],
    *,
    crash: TflitekitError = MODEL_CRASHED,
) -> Generator[Done, None, None]:
    """Runs a processor on every chunk of a data set; results come as they finish.

    Args:
        dataset: Iterated once in each process (reading happens in the processor), or once in all with threads.
        size: Samples per chunk.
        jobs: Processes or threads.
        make_processor: Called once in each of them.
        crash: What a crash of a process means.

    Raises:
        TflitekitError: ``crash``, when a process crashed.
        Exception: What a processor raised.
    """
    if jobs > 1 and sys.platform == "linux" and dataset.random_access and "tensorflow" not in sys.modules:
        yield from _forked(dataset, size, jobs, make_processor, crash)
    else:
        yield from _threaded(dataset, size, jobs, make_processor)


def _chunks(dataset: Iterable[Sample], size: int) -> Iterator[list[Sample]]:
    samples = iter(dataset)
    while chunk := list(itertools.islice(samples, size)):
        yield chunk


def _forked(
    dataset: Dataset, size: int, jobs: int, make_processor: Callable[[], Processor], crash: TflitekitError
) -> Iterator[Done]:
    context = multiprocessing.get_context("fork")
    ticket = context.Value("q", 0)
    parent = os.getpid()

    def work(pipe: Connection) -> None:
        for asked in (signal.SIGINT, signal.SIGTERM):  # the parent decides what these mean
            signal.signal(asked, signal.SIG_IGN)
        end_with_parent(parent)
        gc.freeze()  # the collector would touch, and so copy, every object that the parent made
        try:
            process = make_processor()
            mine = _take(ticket)
            for number, chunk in enumerate(_chunks(dataset, size)):
                if number == mine:
                    pipe.send(Done(number * size, len(chunk), process(chunk)))
                    mine = _take(ticket)
            pipe.send(None)
        except Exception as error:  # noqa: BLE001 - raised again in the parent
            pipe.send(as_known(error) or error)  # here, where the place of the error is still known
        finally:
            pipe.close()
            os._exit(0)  # nothing of the parent's may be cleaned up here

    children = []
    open_pipes: set[Any] = set()
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        for _ in range(jobs):
            receiver, sender = context.Pipe(duplex=False)
            child = context.Process(target=work, args=(sender,), daemon=True)
            child.start()
            sender.close()
            children.append(child)
            open_pipes.add(receiver)
        while open_pipes:
            for pipe in wait(list(open_pipes), timeout=_POLL_S):
                assert isinstance(pipe, Connection)
                message = _receive(pipe, crash)
                if isinstance(message, Done):
                    yield message
                    continue
                open_pipes.discard(pipe)
                if message is not None:
                    raise message
    finally:
        for child in children:
            child.kill()
        for child in children:
            child.join()


def _take(ticket: Any) -> int:
    with ticket.get_lock():
        number: int = ticket.value
        ticket.value = number + 1
    return number


def _receive(pipe: Connection, crash: TflitekitError) -> Any:
    try:
        return pipe.recv()
    except EOFError:
        return crash


def _threaded(dataset: Dataset, size: int, jobs: int, make_processor: Callable[[], Processor]) -> Iterator[Done]:
    lock, stop = threading.Lock(), threading.Event()
    source = enumerate(_chunks(dataset, size))
    results: queue.Queue[Any] = queue.Queue(maxsize=4 * jobs)

    def put(value: Any) -> None:
        while not stop.is_set():
            try:
                return results.put(value, timeout=_POLL_S)
            except queue.Full:
                continue

    def work() -> None:
        try:
            process = make_processor()
            while not stop.is_set():
                with lock:
                    number, chunk = next(source, (-1, []))
                if not chunk:
                    break
                put(Done(number * size, len(chunk), process(chunk)))
            put(None)
        except Exception as error:  # noqa: BLE001 - raised again in the caller
            put(as_known(error) or error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    running = jobs
    try:
        while running:
            try:
                message = results.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if isinstance(message, Done):
                yield message
            elif message is None:
                running -= 1
            else:
                raise message
    finally:
        stop.set()
        for thread in threads:
            thread.join()
