"""Which code a worker says that it runs."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tflitekit

BEGINS_AND_IS_CHANGED = """
import pathlib
from tflitekit.cluster import tasks, worker

worker.dask_setup(None)
file = pathlib.Path(worker.__file__)
file.write_text(file.read_text() + "# another version")
known = tasks.kit_identity()
tasks.kit_identity.cache_clear()
assert known != tasks.kit_identity()
"""


def test_a_worker_that_waits_while_another_version_is_installed_is_the_one_that_it_began_as(tmp_path):
    pytest.importorskip("distributed")
    shutil.copytree(Path(tflitekit.__file__).parent, tmp_path / "tflitekit", ignore=shutil.ignore_patterns("*.pyc"))
    command = [sys.executable, "-c", BEGINS_AND_IS_CHANGED]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
