"""Schemes that go wrong in every way; loaded through TFLITEKIT_SCHEMES."""

import os
import time

from tflitekit.schemes import Promise, scheme


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
