"""Compiles and runs generated firmware against a stub of TensorFlow Lite for Microcontrollers."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

STUB = Path(__file__).parent / "data" / "tflm_stub"


def compile_firmware(folder: Path, *options: str) -> Path:
    """Compiles all files of a bundle's firmware into a program; each warning is an error."""
    if shutil.which("g++") is None:
        pytest.skip("There is no g++")
    sources, program = sorted((folder / "wrappers" / "tflm").glob("*.cc")), folder.parent / "program"
    command = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-I", STUB, *options, *sources, "-o", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


def run_firmware(
    program: Path, bundle, folder: Path, change: int = 0, arena: int = 0
) -> subprocess.CompletedProcess[str]:
    """Runs the program; the stub gives the outputs of the bundle's golden samples, the first byte changed by so much."""
    results = [sample.results[0] for sample in bundle.golden.samples]
    content = bytearray(b"".join((folder / array.file).read_bytes() for r in results for array in r.outputs))
    content[0] = (content[0] + change) % 256
    (folder.parent / "outputs.bin").write_bytes(content)
    sizes = {
        f"STUB_{side.upper()}_BYTES": " ".join(str(array.size_bytes) for array in getattr(results[0], f"{side}s"))
        for side in ("input", "output")
    }
    environment = os.environ | sizes | {"STUB_OUTPUTS": str(folder.parent / "outputs.bin"), "STUB_ARENA": str(arena)}
    return subprocess.run([program], env=environment, capture_output=True, text=True, timeout=300, check=False)
