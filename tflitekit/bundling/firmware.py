"""Writes what a microcontroller's firmware needs of the recommended variant of a bundle."""

from __future__ import annotations

from pathlib import Path

from tflitekit.bundling.contents import Bundle
from tflitekit.bundling.firmware_code import Computed, read_array, write_code
from tflitekit.bundling.selection import Chosen, Selection
from tflitekit.core.errors import BundleError, MissingDependencyError, ModelError
from tflitekit.core.progress import Progress
from tflitekit.targets import open_target

__all__ = ["FIRMWARE", "write_firmware"]

FIRMWARE = "tflm"
"""Its name among the templates, and that of the target whose interpreter is asked."""


def write_firmware(bundle: Bundle, selection: Selection, folder: Path, progress: Progress) -> None:
    """Writes ``wrappers/tflm/`` into the folder of a bundle.

    Raises:
        BundleError: The interpreter for microcontrollers, where it is installed, does not take the variant, or C++ has no type for
            a tensor.
    """
    chosen = selection.recommended_variant
    try:
        computed = _ask(bundle, chosen, folder)
    except MissingDependencyError as error:
        computed = None
        progress.note(
            f"The firmware does not say how large its arena has to be: that was not measured. {error.what} {error.fix}"
        )
    except ModelError as error:
        raise BundleError(error.what, why=error.why, fix=error.fix) from error
    write_code(bundle, folder, chosen.graph, chosen.variant.path.read_bytes(), computed)


def _ask(bundle: Bundle, chosen: Chosen, folder: Path) -> Computed:
    """Runs the golden samples in the interpreter for microcontrollers."""
    path, graph = chosen.variant.path, chosen.graph
    results = [r for sample in bundle.golden.samples for r in sample.results if r.variant == chosen.name]
    with open_target(FIRMWARE) as target:
        arena = target.examine(path, graph=graph).arena_bytes
        model = target.model(path, graph=graph)
        try:
            outputs = [model.run([read_array(folder, array) for array in result.inputs]) for result in results]
        finally:
            model.close()
        return Computed(str(target.identity()["runtime"]), arena, outputs)
