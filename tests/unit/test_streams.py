"""Standard streams that are closed, full or ASCII, names that are no UTF-8, a deleted folder: one sentence and a right exit code."""

import json
import os
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs a POSIX shell and /dev/full")


@pytest.fixture
def shell(optimized, tmp_path):
    """Runs a shell command with $T for the command line and $M for a model."""
    shutil.copy(optimized / "float32.tflite", tmp_path / "m.tflite")

    def run(command, **variables):
        names = {"T": f"{sys.executable} -m tflitekit", "M": str(tmp_path / "m.tflite")}
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=os.environ | names | variables, capture_output=True, check=False
        )
        out, err = done.stdout.decode(errors="surrogateescape"), done.stderr.decode(errors="surrogateescape")
        assert "Traceback" not in out + err and "Exception ignored" not in err, err
        return done.returncode, out, err

    return run


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("$T inspect $M >&-", "it is closed"),
        ("$T inspect $M --json > /dev/full", "No space left"),
        ("$T --help > /dev/full", "No space left"),
    ],
)
def test_output_that_cannot_be_written_is_said(shell, command, reason):
    code, _, err = shell(command)
    assert code == 2
    assert err.count("Error: Cannot write to standard output") == 1 and reason in err


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_is_no_error(shell):
    code, out, err = shell("set -o pipefail; for i in 1 2 3; do $T inspect $M --json | head -c 5; done")
    assert (code, err) == (0, "") and out


@pytest.mark.slow
def test_standard_error_may_be_closed(shell):
    code, out, _ = shell("$T benchmark $M --json 2>&-")
    assert code == 0
    assert json.loads(out)["variants"][0]["latency"] is not None


def test_ascii_output(shell):
    code, out, err = shell(
        "cp $M größe.tflite; $T inspect größe.tflite; $T inspect größe.tflite --json", PYTHONIOENCODING="ascii"
    )
    assert (code, err) == (0, "") and out.isascii()


def test_a_deleted_working_directory_is_said(shell):
    gone = "mkdir gone; cd gone; rmdir ../gone"
    assert shell(f"{gone}; $T inspect $M")[0] == 0
    code, _, err = shell(f"{gone}; $T report here")
    assert code == 2
    assert "The working directory cannot be used" in err and err.count("Error") == 1


def test_few_file_descriptors_are_said(shell):
    code, _, err = shell("ulimit -n 9; $T benchmark $M")
    assert code == 2
    assert err.count("Error: Too many files are open") == 1


@pytest.mark.slow
def test_names_that_are_not_utf8(shell, optimized, tmp_path):
    folder = tmp_path / os.fsdecode(b"r\xff")
    shutil.copytree(optimized, folder)
    code, out, _ = shell("$T report $'r\\xff' && $T inspect $'r\\xff/float32.tflite' --json")
    assert code == 0
    assert "r\\xff" in out
    code, out, _ = shell("cp $M $'b\\xfe.tflite'; $T benchmark $'b\\xfe.tflite' --out $'o\\xfd'")
    assert code == 0
    written = tmp_path / os.fsdecode(b"o\xfd")
    assert "b\\\\xfe" in (written / "report.json").read_text(encoding="utf-8")
    assert shell("$T report $'o\\xfd'")[0] == 0
