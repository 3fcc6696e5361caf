"""Draws the picture in the README from a finished run: python docs/images/make_terminal_picture.py BUILD_FOLDER"""

import io
import sys
from pathlib import Path

from rich.console import Console

from tflitekit import read_report
from tflitekit.cli import console
from tflitekit.cli.views.report import show_report

console.stdout = Console(record=True, width=124, file=io.StringIO(), highlight=False, force_terminal=True)
show_report(read_report(sys.argv[1]))
target = Path(__file__).parent / "report.svg"
console.stdout.save_svg(
    str(target), title="tflitekit optimize resnet8_cifar10.h5 --data test --calibration train --preprocess raw"
)
