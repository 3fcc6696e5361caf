"""The command line in a process that must not import TensorFlow."""

import subprocess
import sys

_PROGRAM = """
import sys
from tflitekit.cli import app
absent, *arguments = sys.argv[1:]
try:
    app(arguments)
except SystemExit as stopped:
    code = stopped.code or 0
heavy = [m for m in absent.split() if m in sys.modules]
assert not heavy, heavy
sys.exit(code)
"""
_CONVERTERS = "tensorflow keras tf_keras tensorflow_model_optimization"


def run_light(*arguments, absent=""):
    """Runs a command; it fails where TensorFlow was imported, or one of the modules in ``absent``."""
    program = [sys.executable, "-c", _PROGRAM, f"{_CONVERTERS} {absent}"]
    return subprocess.run([*program, *map(str, arguments)], capture_output=True, text=True, check=False)
