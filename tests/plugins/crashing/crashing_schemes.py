"""Schemes that go wrong in every way; a package that lies here as an installed one does, found where this folder is on the path."""

import os
import time
from pathlib import Path

from tflitekit.core.errors import ConversionError
from tflitekit.schemes import Promise, Stage, scheme


@scheme(promise=lambda options: Promise())
def aborts(converter):
    """Kills its process as a failed assertion in C++ does."""
    os.write(2, b"F0000 converter.cc:42 Check failed: last words\n")
    os.abort()


@scheme(promise=lambda options: Promise())
def hangs(converter):
    """Never ends."""
    time.sleep(3600)


@scheme(promise=lambda options: Promise())
def raises(converter):
    """Fails as Python code does."""
    raise RuntimeError("out of luck")


@scheme(promise=lambda options: Promise())
def slow(converter):
    """Takes long enough to be interrupted."""
    time.sleep(20)


@scheme(
    needs="training", promise=lambda options: Promise(), stages=lambda options: (Stage("finetune"),), by_default=False
)
def fails_later(converter):
    """Converts the untrained model, and then not what was trained, until the file that the environment names is gone."""
    cause = Path(os.environ["FAILS_LATER"])
    if cause.exists() and cause.read_text() == "now":
        raise ConversionError("The converter is out of luck.")
    if cause.exists():
        cause.write_text("now")
