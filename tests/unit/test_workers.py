"""Child processes: one import for all pools of a process, and no server that differs from a new one."""

from __future__ import annotations

import os
import signal
import threading
import time

import psutil
import pytest

from tflitekit.cli.shared import _WITH_TENSORFLOW
from tflitekit.core.errors import (
    CrashError,
    MissingDependencyError,
    OutOfMemoryError,
    TflitekitError,
    UnreadableError,
    UsageError,
    as_known,
)
from tflitekit.core.process import workers
from tflitekit.core.process.workers import WorkerPool, _failure, _ForkServer, last_words, start_early, wait_for
from tflitekit.source.kinds import source_kinds

pytestmark = pytest.mark.skipif(os.name != "posix", reason="fork servers are for systems that can fork")

LIGHT = ("tflitekit.tflite.runtime",)


@pytest.fixture(autouse=True)
def none_that_waits() -> None:
    """Ends those of other tests, whose time might be over in the middle of one of these."""
    _ForkServer.kill_idle()


def servers() -> set[int]:
    """The fork servers that run for this process, also those that wait for the next pool."""
    return {p.pid for p in psutil.Process().children()}


def run(preload: tuple[str, ...] = LIGHT) -> set[int]:
    """Uses a pool and returns the servers that ran meanwhile."""
    with WorkerPool(jobs=1, timeout_s=600, preload=preload) as pool:
        assert "ai-edge-litert" in wait_for(pool.submit("tflitekit.tflite.runtime:runtime_name", {}, label="name"))
        return servers()


def test_the_next_pool_takes_the_server_of_the_last():
    first = run()
    assert run() == first


def test_a_server_that_a_pool_takes_as_its_minute_ends_is_not_killed():
    run()
    (server,) = _ForkServer._idle
    expire = server._timer.function  # which begins as the pool comes
    assert server.wake()
    expire()
    assert server._process.poll() is None
    server.rest()
    expire()
    assert not server.wake() and server._process.poll() is not None


def test_a_server_that_was_started_early_is_taken():
    before, modules = servers(), (*LIGHT, "tflitekit.tflite.layers")
    start_early(modules)
    (early,) = servers() - before
    assert run(modules) == {*before, early}


def test_commands_know_by_the_ending_of_a_model_what_its_workers_import():
    for kind in source_kinds():
        for suffix in kind.suffixes or ("",):
            assert _WITH_TENSORFLOW[suffix] == kind.needs_tensorflow, kind.name


def test_two_pools_at_a_time_have_a_server_each():
    with WorkerPool(jobs=1, timeout_s=600, preload=LIGHT):
        first = servers()
        with WorkerPool(jobs=1, timeout_s=600, preload=LIGHT):
            assert servers() > first


@pytest.mark.parametrize("change", ["environment", "folder", "modules"])
def test_a_server_that_would_differ_is_not_taken(change, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", "modules", prepend=os.pathsep)  # another one in another folder
    before = run()
    if change == "environment":
        monkeypatch.setenv("OF_THE_USER", "")
    elif change == "folder":
        monkeypatch.chdir(tmp_path)
    after = run((*LIGHT, "tflitekit.tflite.graph") if change == "modules" else LIGHT)
    assert after - before


def test_a_server_is_taken_again_where_only_the_terminal_is_wider(monkeypatch):
    before = run()
    monkeypatch.setenv("COLUMNS", "77")
    assert run() == before


def test_a_server_is_taken_again_in_another_folder_where_its_children_work(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    before = run()
    monkeypatch.chdir(tmp_path)
    with WorkerPool(jobs=1, timeout_s=600, preload=LIGHT) as pool:
        found = wait_for(pool.submit("tflitekit.core.process.workers:_working_directory", {}, label="where"))
        assert (found, servers()) == (str(tmp_path), before)


def test_a_server_that_was_killed_is_not_taken():
    run()
    processes = psutil.Process().children()
    for process in processes:
        process.kill()
    psutil.wait_procs(processes)
    assert run()


def test_a_pool_that_is_closed_at_work_leaves_no_child():
    idle = servers()
    pool = WorkerPool(jobs=1, timeout_s=600, preload=(*LIGHT, "tflitekit.tflite.graph"))
    at_work = servers() - idle
    task = pool.submit("tflitekit.tflite.runtime:runtime_name", {}, label="name")
    pool.close()
    assert task.done() or not servers() & at_work


def test_a_pool_is_not_closed_while_an_answer_is_read(monkeypatch):
    """What is read was removed, and the thread that listens for this pool and the next ended."""
    finish, waits = workers._finish, []

    def finish_while_it_is_closed(task, exit_code, *, timed_out):
        closing = threading.Thread(target=pool.close)
        closing.start()
        closing.join(0.2)
        waits.append(closing.is_alive())
        finish(task, exit_code, timed_out=timed_out)

    monkeypatch.setattr(workers, "_finish", finish_while_it_is_closed)
    pool = WorkerPool(jobs=1, timeout_s=600, preload=LIGHT)
    assert "ai-edge-litert" in wait_for(pool.submit("tflitekit.tflite.runtime:runtime_name", {}, label="name"))
    assert waits == [True]


def test_a_server_that_cannot_import_is_an_error_and_no_hang():
    with WorkerPool(jobs=1, timeout_s=600, preload=("no_such_module_anywhere",)) as pool:
        time.sleep(0.5)  # it has ended by now, or ends with the task in its queue
        with pytest.raises(MissingDependencyError):
            wait_for(pool.submit("tflitekit.tflite.runtime:runtime_name", {}, label="name"))


def test_what_linux_kills_lacked_memory_and_what_aborts_did_not():
    killed, aborted = (_failure("int8", {}, -number, "words") for number in (signal.SIGKILL, signal.SIGABRT))
    assert type(killed) is OutOfMemoryError and type(aborted) is CrashError
    assert str(killed).startswith(
        "int8: the process was killed by SIGKILL, as Linux does where memory is not enough.\n"
    )
    assert "--jobs 1" in killed.fix and "float16" in aborted.fix and killed.why == "It last printed: words"


def test_threads_without_memory_are_told_below_the_stack_of_who_wanted_one():
    log = (
        b"F0000 00:00:17 env.cc:84] Thread tf_Convert creation via pthread_create() failed.\n"
        + 40 * b"    @     0x7f09f  tsl::Env()\n"
    )
    assert last_words(log).endswith("pthread_create() failed.")
    assert type(as_known(Exception(last_words(log)))) is OutOfMemoryError


def test_every_error_comes_back_from_a_worker_as_it_was():
    """One whose class is made of other parts ended the thread that listens, and the run never."""
    with WorkerPool(jobs=1, timeout_s=600, preload=LIGHT) as pool:
        read = pool.submit("tflitekit.core.structured:read_json", {"path": "no/such.json"}, label="read")
        with pytest.raises(UnreadableError, match=r"no/such\.json cannot be read: there is no such file"):
            wait_for(read)
    sent = UsageError("It was.", why="So.", fix="Do.")
    back = TflitekitError.from_json(sent.to_json())
    assert type(back) is UsageError and str(back) == str(sent)
