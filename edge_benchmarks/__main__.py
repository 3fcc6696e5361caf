"""Runs a suite: `python -m edge_benchmarks quickstart` is `tflitekit suite edge_benchmarks/quickstart.toml`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tflitekit.cli import app

HERE = Path(os.path.relpath(Path(__file__).parent))


def main() -> None:
    arguments = sys.argv[1:]
    if arguments and (HERE / f"{arguments[0]}.toml").is_file():
        arguments[0] = str(HERE / f"{arguments[0]}.toml")
    app(["suite", *arguments])


if __name__ == "__main__":
    main()
