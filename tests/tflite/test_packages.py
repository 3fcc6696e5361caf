"""What another package adds takes part in the commands; tests/unit/test_registry.py has how it is found."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from echo_model import echo_model


@pytest.mark.slow
def test_what_another_package_adds_takes_part_in_a_run(tmp_path):
    echo_model(tmp_path / "echo.tflite", (1, 3), "float32")
    (tmp_path / "data.dat").write_text("0.5 0.3 0.2 0\n0.1 0.8 0.1 1\n0.2 0.3 0.5 0\n")
    package = Path(__file__).parents[1] / "plugins" / "example"

    def run(*arguments):
        command = [sys.executable, "-m", "tflitekit", *arguments, "--json"]
        env = os.environ | {"PYTHONPATH": str(package)}
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=env)
        return json.loads(done.stdout)["variants"][0]

    scored = run("evaluate", "echo.tflite", "--data", "data.dat", "--metric", "macro_f1")["accuracy"]
    assert scored["metric"] == "macro_f1"
    assert scored["value"] == pytest.approx((2 / 3 + 1) / 2)  # the third row is of class 0, and the answer is 2
    latency = run("benchmark", "echo.tflite", "--target", "host-core0", "--runs", "5")["latency"]
    assert (latency["target"], latency["target_kind"], latency["machine"]["pinned_to"]) == ("host-core0", "host", [0])
