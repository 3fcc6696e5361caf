"""The command line. Each command parses, calls one verb, and shows what it returns.

A command is a function of that name in a module of this folder, which is imported when the command is called.
"""

from __future__ import annotations

import click

from tflitekit._version import __version__
from tflitekit.cli.commands import LazyGroup

__all__ = ["app"]

# In the order of ``--help``.
_COMMANDS = {
    "quickstart": ("optimize", "Does the whole job offline: trains a small model on embedded digits and optimizes it."),
    "optimize": ("optimize", "Converts with every scheme, measures each variant, and recommends one."),
    "convert": (
        "convert",
        "Converts a model with the schemes that you name, or that hardware wants; schemes that train need --data.",
    ),
    "preflight": (
        "preflight",
        "Says which layers of a Keras model can be trained for int8, why, and what to do about the rest.",
    ),
    "evaluate": (
        "evaluate",
        "Measures the accuracy of .tflite files on the same samples, or without labels their fidelity.",
    ),
    "explain": (
        "explain",
        "Shows where a quantized .tflite file departs from its float original, layer by layer, and why.",
    ),
    "benchmark": (
        "benchmark",
        "Measures initialization, latency and peak memory of .tflite files, in interleaved rounds.",
    ),
    "report": (
        "report",
        "Shows a finished report, and writes its report.html, report.md and report.csv again.",
    ),
    "compare": (
        "compare",
        "Shows what changed between two reports, with intervals; exits with 1 if a gate is broken.",
    ),
    "store": ("store", "Keeps reports in a folder or a database, to see what changes over time (docs/store.md)."),
    "history": ("history", "Shows how size, accuracy and latency went from report to report, and where they shifted."),
    "index": (
        "history",
        "Writes a page with all models and devices of a store, to search, sort and filter without a network.",
    ),
    "suite": (
        "suite",
        "Runs all entries of a benchmark suite; reuses finished ones, and continues after failures.",
    ),
    "cache": ("cache", "Shows and removes the copies of models and data from URLs and depots (docs/data.md)."),
    "worker": ("worker", "Lets this machine, and the devices at it, work for a cluster until it is stopped."),
    "bundle": (
        "bundle",
        "Writes what an app needs: models with metadata, their contract, and golden samples to verify the device with.",
    ),
    "inspect": ("information", "Shows operators, tensors, sizes and the minimum runtime of a .tflite file."),
    "check": (
        "check",
        "Says what a piece of hardware would do with a .tflite file, operator by operator, without running it.",
    ),
    "hardware": (
        "check",
        "Lists the hardware that the kit knows, or shows one: what it takes, by which source, and what is not known.",
    ),
    "schemes": ("information", "Lists the schemes: what each does, needs and promises."),
    "presets": (
        "information",
        "Lists the preprocessing presets; with --json, in the form of a preprocessing file.",
    ),
    "setup": (
        "setup",
        "Makes or repairs an environment for programs of others; it needs the network. Without NAME it lists them all.",
    ),
    "doctor": (
        "doctor",
        "Checks this installation: versions, extras, environments, programs that targets need, CPU features, and how to install what is missing.",
    ),
}


@click.group(
    cls=LazyGroup,
    name="tflitekit",
    lazy={name: (f"tflitekit.cli.{module}", line) for name, (module, line) in _COMMANDS.items()},
    no_args_is_help=True,
    epilog="Exit codes: 0 done; 1 a constraint or check is not met; 2 wrong use or input; 130 stopped by Ctrl-C, 143 by SIGTERM.",
)
@click.version_option(__version__, message="tflitekit %(version)s", help="Show the version.")
def app() -> None:
    """Convert a Keras model into every sensible TensorFlow Lite variant, measure each, and choose one."""
