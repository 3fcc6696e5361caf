"""The command line in a process that must not import TensorFlow."""

import subprocess
import sys

_PROGRAM = """
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


def run_light(*arguments):
    """Runs a command; it fails where anything heavy was imported."""
    return subprocess.run(
        [sys.executable, "-c", _PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=False
    )
