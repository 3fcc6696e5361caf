"""Suites: TOML files that say what is benchmarked, and the runner that does it, on this machine or on a cluster."""

from tflitekit.optimization.suites.file import Suite
from tflitekit.optimization.suites.places import DATA_VARIABLE
from tflitekit.optimization.suites.reading import read_suite
from tflitekit.optimization.suites.run import run_suite

__all__ = ["DATA_VARIABLE", "Suite", "read_suite", "run_suite"]
