"""Nothing outlives a run, however it ends: processes, temporary files, half files; and nothing foreign runs in it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tflitekit.core.errors import StorageError, as_known
from tflitekit.core.files import check_written, locked, write_whole
from tflitekit.core.lifetime import hold, temporary_folder

pytest_plugins = ["small_disk"]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes as Linux shows them")
_MARK = "TFLITEKIT_TEST_RUN"


@pytest.fixture
def place(tmp_path):
    """A folder for temporary files, and the environment of a run that can be found among all processes."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder, os.environ | {"TMPDIR": str(folder), _MARK: str(folder)}


def start(place, *arguments, cwd=None):
    return subprocess.Popen(
        [sys.executable, "-c", _START, *map(str, arguments)],
        env=place[1], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


# pytest may run in the background, where Ctrl-C is ignored, or under nohup, where hanging up is
_START = "import signal; signal.signal(1, signal.SIG_DFL); signal.signal(2, signal.default_int_handler); from tflitekit.__main__ import main; main()"


def processes(place):
    """Returns the processes that a run started and that still live."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"{_MARK}={place[0]}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(entry.name)
        except OSError:
            continue
    return found


def wait_until(condition):
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to that")


def start_measuring(place, optimized):
    """Starts a benchmark and returns it as soon as a process measures."""
    run = start(place, "benchmark", optimized / "float32.tflite", "--protocol", "mlperf-tiny")
    wait_until(lambda: len(processes(place)) > 2 or run.poll() is not None)  # itself, the server, one that measures
    return run


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_run_and_all_that_belongs_to_it(place, optimized, number, code):
    run = start_measuring(place, optimized)
    for _ in range(3):  # the second and third come while it cleans up
        run.send_signal(number)
        time.sleep(0.05)
    _, err = run.communicate(timeout=300)
    assert (run.returncode, err) == (code, "Stopped. Nothing was kept.\n")
    wait_until(lambda: not processes(place))
    assert not list(place[0].iterdir())


@pytest.mark.slow
def test_after_a_kill_no_process_lives_and_the_next_run_removes_what_it_left(place, optimized):
    run = start_measuring(place, optimized)
    run.kill()
    run.communicate()
    wait_until(lambda: not processes(place))
    assert list(place[0].iterdir())
    run = start(place, "benchmark", optimized / "float32.tflite", "--runs", 5)
    assert run.wait(300) == 0, run.stderr.read()
    assert not list(place[0].iterdir())


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM"])
def test_a_signal_at_exit_does_not_change_how_a_finished_run_ends(place, how):
    program = (
        f"import atexit, os, signal; {_START.rpartition(';')[0].partition(';')[2]}\n"
        f"atexit.register(lambda: os.kill(os.getpid(), signal.{how}))\n"
        "import sys; sys.argv = ['tflitekit', 'presets']; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], env=place[1], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_signal_that_comes_while_python_drops_exceptions_is_not_lost(place):
    program = (
        "import os, signal, time\n"
        "from tflitekit.core.lifetime import Stopped, stoppable\n"
        "class Finalized:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        time.sleep(1)\n"
        "with stoppable():\n"
        "    try:\n"
        "        Finalized()\n"
        "        time.sleep(20)\n"
        "    except Stopped as stopped:\n"
        "        raise SystemExit(stopped.exit_code)"
    )
    done = subprocess.run([sys.executable, "-c", program], env=place[1], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (143, "")


def test_folders_of_ended_processes_are_removed_and_no_others(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    for name in ("t-marked", "t-used", "elsewhere", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".running").touch()
    (tmp_path / "t-empty").mkdir()
    (tmp_path / "t-full").mkdir()
    (tmp_path / "t-full" / "mine").touch()
    (tmp_path / "t-link").symlink_to(elsewhere)
    descriptor = os.open(tmp_path / "t-used" / ".running", os.O_RDWR)
    try:
        assert hold(descriptor)
        with temporary_folder(tmp_path, "t-") as folder:
            there = {path.name for path in tmp_path.iterdir()}
    finally:
        os.close(descriptor)
    assert there == {"t-used", "elsewhere", "other", "t-full", "t-link", folder.name}
    assert not folder.exists() and (elsewhere / ".running").exists()


def test_half_files_of_killed_runs_are_removed(tmp_path):
    program = (
        "import os, sys; from pathlib import Path; from tflitekit.core import files\n"
        "files.os.fsync = lambda _: os.kill(os.getpid(), 9)\n"
        "files.write_whole(Path(sys.argv[1]) / 'report.json', 'half')"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path], check=False)
    assert [path.name.startswith(".partial-") for path in tmp_path.iterdir()] == [True]
    in_use = tmp_path / ".partial-inuse"
    in_use.touch()
    descriptor = os.open(in_use, os.O_RDWR)
    try:
        assert hold(descriptor)
        write_whole(tmp_path / "other", "whole")
    finally:
        os.close(descriptor)
    assert {path.name for path in tmp_path.iterdir()} == {"other", ".partial-inuse"}


def test_a_folder_that_is_another_one_is_the_cause_of_what_fails_in_it(tmp_path):
    out = tmp_path / "out"

    def fail():
        with locked(out):
            out.rename(tmp_path / "moved")
            raise ValueError("TensorFlow says no")

    with pytest.raises(StorageError, match="is no longer the one") as found:
        fail()
    assert isinstance(found.value.__cause__, ValueError)
    with pytest.raises(StorageError, match="and 1 more"):
        check_written([out / "a", out / "b"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("[Errno 28] No space left on device: 'x'", "The disk is full"),
        ("RESOURCE_EXHAUSTED: /out/x; Disk quota exceeded", "The disk quota is used up"),
        ("h5py: write failed (errno = 27, error message = 'File too large')", "The limit on the size of a file"),
        ("ImportError: x.so: cannot open shared object file: Too many open files", "Too many files are open"),
        ("terminate called after throwing an instance of 'std::bad_alloc'", "There is not enough memory"),
        ("OSError: [Errno 12] Cannot allocate memory", "There is not enough memory"),
        ("ResourceExhaustedError: OOM when allocating tensor with shape[9,9]", "There is not enough memory"),
    ],
)
def test_what_the_machine_lacks_is_known_whoever_says_it(words, said):
    error = RuntimeError("save failed")
    error.__cause__ = ValueError(words)
    assert said in as_known(error).what
    assert as_known(ValueError("bug")) is None


def test_a_limit_on_the_size_of_files_is_said(place, optimized, tmp_path):
    shutil.copytree(optimized, tmp_path / "r")
    command = f"ulimit -f 20; exec {sys.executable} -m tflitekit report {tmp_path / 'r'}"
    before = {path.name: path.read_bytes() for path in (tmp_path / "r").glob("report.*")}
    done = subprocess.run(["bash", "-c", command], env=place[1], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("Error: The limit on the size of a file is too low: could not write") == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "r").glob("report.*")} == before
    assert json.loads(before["report.json"]) and not list((tmp_path / "r").glob(".partial-*"))


def test_a_full_disk_that_an_error_does_not_name_is_found_where_programs_write(small_disk, tmp_path, monkeypatch):
    disk, _ = small_disk
    (tmp_path / "large").write_bytes(bytes(1 << 17))
    with pytest.raises(OSError, match="No space left") as raised:
        shutil.copyfile(tmp_path / "large", disk / "copy")
    assert as_known(raised.value).what == f"The disk is full: could not write {disk / 'copy'}."
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    with tempfile.TemporaryFile(buffering=0) as file, pytest.raises(OSError, match="No space left") as raised:
        os.posix_fallocate(file.fileno(), 0, 1 << 17)
    assert as_known(raised.value).what == f"The disk is full: could not write {disk}."
