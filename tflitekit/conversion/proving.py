"""The proof that a float file computes what the original does, before anything is quantized."""

from __future__ import annotations

from pathlib import Path

from tflitekit.core.errors import ModelError, TflitekitError
from tflitekit.core.process.crew import Pool
from tflitekit.core.process.workers import wait_for
from tflitekit.core.progress import Progress
from tflitekit.data.calibration import CalibrationSet
from tflitekit.engines.litert_quantizer import float_file_of
from tflitekit.source.prepared import Exported, PreparedSource
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.proof import Proof
from tflitekit.tflite.variant import Variant, sidecar_path

__all__ = ["check_vocabularies", "prove", "refuse"]

BASELINE = "float32"


def prove(
    source: PreparedSource, exported: Exported, baseline: Variant | None, pool: Pool, progress: Progress
) -> Proof:
    """Compares the float file with the original on the samples that the loader left (in a worker: nothing ran the file before).

    Args:
        baseline: What the scheme float32 made of a SavedModel; None where the source exported the file itself.
    """
    if baseline is not None and baseline.status != "ok":
        return Proof(original=source.loader, why="Not compared with the original: float32 could not be made.")
    if baseline is not None and not baseline.runnable:
        return Proof(
            original=source.loader, why="Not compared with the original: the runtime here cannot run the file."
        )
    if not exported.reference.is_file():
        return Proof(original=source.loader, why="Not compared with the original: its loader left no samples.")
    arguments = {
        "path": str(exported.path if baseline is None else baseline.path),
        "reference": str(exported.reference),
        "source": source.model_dump(mode="json"),
    }
    try:
        with progress.task("Comparing with the original", None):
            return Proof.model_validate(
                wait_for(pool.submit("tflitekit.source.models:prove", arguments, label="comparison with the original"))
            )
    except TflitekitError as error:
        if source.compared_on != "random":
            raise
        return Proof(original=source.loader, why=f"Not compared with the original: {error.what}")


def refuse(proof: Proof, source: PreparedSource, origin: str, baseline: Variant | None) -> ModelError:
    """Returns the refusal of a model whose float file computes something else; the file goes."""
    if baseline is not None:
        for path in (baseline.path, sidecar_path(baseline.path)):
            path.unlink(missing_ok=True)
    far = "cannot be compared (NaN, infinite, or of another shape)" if proof.relative is None else (
        f"differs by {proof.relative:.2g} of its largest value, and at most {proof.bound:g} is allowed"
    )  # fmt: skip
    return ModelError(
        f"The conversion of {origin} does not compute what the model does: on {proof.samples} {proof.origin} samples, "
        f"'{proof.output}' {far}.",
        why=f"Compared with {proof.original}. Nothing was quantized.",
        fix=_way_out(source),
    )


def _way_out(source: PreparedSource) -> str:
    unclear = [spec for spec in source.inputs if len(spec.shape) > 2 and len(set(spec.shape[1:])) == 1]
    if source.kind == "onnx" and unclear:
        return (
            f"onnx2tf cannot tell which dimension of the input '{unclear[0].name}' {list(unclear[0].shape)} is the channels, as all are equal. "
            "Export the model with another length, or a PyTorch model as .pt2 (torch.export.save)."
        )
    return (
        "Export the model with fixed sizes, or in another format (Keras as a SavedModel, ONNX as .pt2, .pt2 as ONNX)."
    )


def check_vocabularies(calibration: CalibrationSet | None, source: PreparedSource, folder: Path) -> None:
    """Raises `DataError` where calibration samples pick rows that a table in the float file of a source does not have.

    Args:
        folder: Where the source was exported to.
    """
    exported = Exported(folder, source.form)
    path = exported.path if source.form == "tflite" else float_file_of(exported)
    if calibration is not None and path.is_file():
        calibration.check_vocabularies(read_graph(path).vocabularies)
