"""One ``.tflite`` file and its sidecar: what made it, what it promises, and what its bytes mean."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tflitekit._version import __version__
from tflitekit.core.errors import UnreadableError
from tflitekit.core.files import content_hash, deflated_size, write_json
from tflitekit.core.structured import read_model
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.contract import Contract
from tflitekit.data.pixels import holds_pixels, stored_pixels
from tflitekit.data.preprocessing import PRESETS, Preprocessing
from tflitekit.tflite.graph import Graph, read_graph
from tflitekit.tflite.proof import Proof
from tflitekit.tflite.search_record import SearchRecord
from tflitekit.tflite.told import Told, told_by, without_background
from tflitekit.tflite.training_record import Compression, TrainingRecord

if TYPE_CHECKING:
    from tflitekit.data.dataset import Dataset

__all__ = ["Variant", "load_variant", "read_sidecar", "sidecar_path", "tool_versions", "with_stored_pixels"]

_PACKAGES = (
    "tensorflow", "keras", "tf_keras", "tensorflow-model-optimization", "ai-edge-litert", "litert-quantizer", "numpy", "pillow",
)  # fmt: skip


class Variant(BaseModel):
    """One compressed form of a model, or the record of why there is none.

    The sidecar ``name.json`` beside ``name.tflite`` holds a finished one.

    Attributes:
        engine: What made the bytes: 'tflite_converter' or 'litert_quantizer'; None for a file that is the model itself, that the kit
            did not make, or that an older version of it made.
        engine_why: Why that one, such as 'the default of the scheme'; None as for ``engine``.
        file: Name of the ``.tflite`` file; it lies in ``folder``.
        layers: The source model's layer names, so that a profile speaks of them.
        key: Hash of everything that the file depends on; a run with the same key reuses the file.
        training: How it was trained; None for a file that was converted as it was.
        compression: Zeros and distinct weights, counted in the file; None for schemes that make none.
        proof: That the float file of the model computes what the original does; None for a file that was trained, and where an
            older version of the kit made it.
        search: How it was found; None for schemes that do not search.
        machine: Name of the machine that made it; None where an older version of the kit did.
        reused: Whether this run found it finished.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    name: str
    scheme: str | None
    options: dict[str, Any] = Field(default_factory=dict)
    status: Literal["ok", "failed", "skipped"]
    error: str | None = None
    engine: str | None = None
    engine_why: str | None = None
    file: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    deflated_bytes: int | None = None
    integer_op_fraction: float | None = None
    min_runtime_version: str | None = None
    contract: Contract | None = None
    warnings: tuple[str, ...] = ()
    source_sha256: str | None = None
    key: str | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    layers: tuple[str, ...] = ()
    conversion_s: float | None = None
    runnable: bool = True
    training: TrainingRecord | None = None
    compression: Compression | None = None
    proof: Proof | None = None
    search: SearchRecord | None = None
    machine: str | None = None
    reused: bool = Field(False, exclude=True)
    folder: Path | None = Field(None, exclude=True)

    @property
    def path(self) -> Path:
        """Where the ``.tflite`` file lies."""
        assert self.file is not None
        return (self.folder or Path()) / self.file

    def save(self) -> None:
        """Writes the sidecar, whole."""
        write_json(sidecar_path(self.path), self.model_dump(mode="json"))


def sidecar_path(model: Path) -> Path:
    """Returns ``name.json`` for ``name.tflite``."""
    return model.with_suffix(".json")


def tool_versions() -> dict[str, str]:
    """Returns the versions of the kit and of the packages that shape its results, without importing them."""
    found = {"tflitekit": __version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def read_sidecar(model: Path) -> Variant | None:
    """Returns the sidecar of a ``.tflite`` file, or None where it has none that the kit can read."""
    try:
        value = read_model(Variant, sidecar_path(model))
    except UnreadableError:
        return None
    file = model.name if value.file is not None else None  # both may have been renamed since they were written
    return value.model_copy(update={"folder": model.parent, "file": file})


def load_variant(
    path: str | Path, *, preprocessing: Preprocessing | None = None, labels: tuple[str, ...] | None = None
) -> tuple[Variant, Graph]:
    """Opens any ``.tflite`` file; one that the kit made keeps its scheme and contract.

    Args:
        path: The file.
        preprocessing: Overrides the contract's, and what a foreign file says of itself; 'raw' where nothing does.
        labels: Override those of the contract, and those in a foreign file.

    Returns:
        The variant, and the content of its file.

    Raises:
        ModelError: The file is missing or damaged.

    Example:
        >>> variant, graph = tk.load_variant("build/int8.tflite")
        >>> print(variant.scheme, graph.min_runtime_version)
    """
    path = Path(path)
    graph = read_graph(path)
    sha256 = content_hash(path)
    sidecar = read_sidecar(path)
    known = sidecar is not None and sidecar.sha256 == sha256 and sidecar.contract is not None
    warnings: tuple[str, ...] = ()
    if sidecar is not None and not known:
        warnings = (f"{sidecar_path(path).name} describes another file (its sha256 differs) and was ignored.",)
    contract = sidecar.contract if known and sidecar is not None else None
    told = told_by(path) if contract is None else Told()
    outputs = contract.outputs if contract else graph.outputs
    names = labels or (contract.labels if contract else told.labels)
    merged = Contract(
        inputs=contract.inputs if contract else graph.inputs,
        outputs=outputs,
        preprocessing=preprocessing or (contract.preprocessing if contract else told.preprocessing or PRESETS["raw"]),
        sound=contract.sound if contract else None,
        labels=without_background(names, graph) if names else None,
        output_meaning=primary_meaning(graph, outputs),
    )
    if known and sidecar is not None:
        return sidecar.model_copy(update={"contract": merged}), graph
    variant = Variant(
        name=path.stem,
        scheme=None,
        status="ok",
        file=path.name,
        folder=path.parent,
        sha256=sha256,
        size_bytes=graph.size_bytes,
        deflated_bytes=deflated_size(path),
        integer_op_fraction=graph.integer_op_fraction,
        min_runtime_version=graph.min_runtime_version,
        contract=merged,
        warnings=warnings,
        versions=tool_versions(),
        runnable=not graph.select_tf_ops,
    )
    return variant, graph


def with_stored_pixels(variant: Variant, dataset: Dataset) -> Variant:
    """Feeds a foreign file for which no preprocessing was named as apps do: an 8-bit input gets the pixels as they are stored.

    Args:
        dataset: Only data that are pixels are stored like that; real numbers are quantized.

    Returns:
        The variant with that preprocessing in its contract, or as it was where that is not called for.
    """
    contract = variant.contract
    if contract is None or variant.scheme is not None or len(contract.inputs) != 1:
        return variant
    found = stored_pixels(contract.inputs[0])
    if found is None or not holds_pixels(dataset, contract.inputs[0]):
        return variant
    told = contract.preprocessing.model_dump(include={"color", "resize", "fit", "crop_fraction"})
    found = found.model_copy(update=told)
    return variant.model_copy(update={"contract": contract.model_copy(update={"preprocessing": found})})


def ordered_outputs(graph: Graph, wanted: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
    """Returns the file's outputs in the source model's order (converters sort them by name)."""
    position = {spec.name: index for index, spec in enumerate(wanted)}
    return tuple(sorted(graph.outputs, key=lambda spec: position.get(spec.name, len(position))))


def primary_meaning(graph: Graph, outputs: tuple[TensorSpec, ...]) -> Literal["probabilities", "values"]:
    """Returns what the first of ``outputs`` holds, which need not be the file's first."""
    names = [spec.name for spec in graph.outputs]
    return graph.output_meanings[names.index(outputs[0].name)] if outputs and outputs[0].name in names else "values"
