"""Locks of a machine: who waits for one hears who has it."""

from __future__ import annotations

import re
import subprocess
import sys
import threading

import pytest

from tflitekit.core import machine_lock
from tflitekit.core.machine_lock import measuring, working

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing is locked there")

HOLDER = """
import sys
from pathlib import Path
from tflitekit.core import machine_lock
machine_lock._FOLDER = Path(sys.argv[1])
with machine_lock.working("flowers:\\nphotos"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(machine_lock, "_FOLDER", tmp_path)
    monkeypatch.setattr(machine_lock, "_TELL_S", 0.05)
    return tmp_path


def test_who_waits_to_measure_hears_who_works_and_goes_on_when_that_process_is_killed(folder):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    heard = []

    def told(who):
        heard.append(who)
        holder.kill()
        holder.wait()

    with working("another"), working("a third"):
        pass
    with measuring("latency", told):
        pass
    assert re.fullmatch(rf"flowers: photos \(process {holder.pid}, since \d\d:\d\d:\d\d\)", heard[0])
    assert f"{holder.pid}" not in (folder / next(folder.glob("*-work.lock"))).read_text()


def test_who_waits_to_work_hears_who_measures():
    heard, measured = [], threading.Event()

    def work():
        with working("tasks", heard.append):
            pass

    with measuring("latency of flowers"):
        waiting = threading.Thread(target=work)
        waiting.start()
        while not heard:
            measured.wait(0.05)
    waiting.join()
    assert heard[0].startswith("latency of flowers (process ")
