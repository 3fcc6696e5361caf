"""The main process stays light, also where a model is loaded."""

import subprocess
import sys

PROGRAM = """
import sys
from tflitekit.cli import app
try:
    app(sys.argv[1:])
except SystemExit as stopped:
    code = stopped.code or 0
heavy = [m for m in ('tensorflow', 'keras', 'tf_keras', 'tensorflow_model_optimization') if m in sys.modules]
assert not heavy, heavy
sys.exit(code)
"""


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_preflight_loads_the_model_in_a_process_of_its_own(models):
    done = run("preflight", models / "shapes.keras")
    assert done.returncode == 0, done.stderr
