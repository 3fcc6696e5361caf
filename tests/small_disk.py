"""A real disk that is soon full: a file system in memory. Who may not mount one has the tests skipped."""

import shutil
import subprocess

import pytest


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 64 KiB, and what makes that larger."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
    if shutil.which("mount") is None or subprocess.run(made, capture_output=True, check=False).returncode != 0:
        pytest.skip("it needs the right to mount")
    yield folder, lambda: subprocess.run(["mount", "-o", "remount,size=8m", folder], check=True)
    subprocess.run(["umount", "--lazy", folder], check=True)
