"""What stands in ``bundle.json``: everything that an app needs to know about the models beside it.

``docs/bundle.md`` describes the folder for people. Sizes are bytes, accuracies are fractions, files are named relative to
the bundle's folder and each has its SHA-256.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from tflitekit.bundling.decoded import Decoded, GoldenMask
from tflitekit.bundling.entries import ArrayFile, Entry, FileEntry, ImageFile
from tflitekit.core.errors import BundleError, UnreadableError
from tflitekit.core.files import content_hash, is_file, read_bytes, shortened
from tflitekit.core.structured import LARGEST, check_model, is_unicode, read_json
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.contract import labels_mismatch
from tflitekit.data.preprocessing import Preprocessing
from tflitekit.data.sound_format import SoundFormat
from tflitekit.results import Drop, Measured

__all__ = [
    "LABELS_FILE",
    "RANKED",
    "SCHEMA_VERSION",
    "ArrayFile",
    "Bundle",
    "BundledVariant",
    "DataOrigin",
    "FileEntry",
    "Golden",
    "GoldenResult",
    "GoldenSample",
    "ImageFile",
    "Ranked",
    "SourceOrigin",
    "Task",
    "Tolerance",
    "Tolerances",
    "class_count",
    "is_unicode",
    "labels_file",
    "read_bundle",
    "read_description",
]

SCHEMA_VERSION = 2
"""2 has a reader and what it makes of golden samples; bundles without one are still of version 1, which older apps read."""
Task = Literal["classification", "binary", "detection", "segmentation", "keypoints", "other"]
RANKED = ("classification", "binary")
"""Tasks whose primary output has a score for each class."""
LABELS_FILE = "labels.txt"


class Tolerance(Entry):
    """How far a device's output may lie from the host's.

    Attributes:
        max_difference: Largest accepted absolute difference of any value; null where no bound can be stated: a
            difference is then shown and not judged.
        unit: 'steps' of the stored integers, or 'real' for real values.
        reason: Why so much, for people.
    """

    max_difference: float | None
    unit: Literal["steps", "real"]
    reason: str


class Tolerances(Entry):
    """Those of one output, by what really runs the model: the CPU with XNNPACK, the CPU with the runtime's own kernels, a GPU, NNAPI."""

    cpu: Tolerance
    cpu_builtin: Tolerance
    gpu: Tolerance
    nnapi: Tolerance


class BundledVariant(FileEntry):
    """One ``.tflite`` file of the bundle.

    Attributes:
        measured_sha256: Hash of the file that the report measured. The bundle's has metadata in it besides.
        operators: Operators in the graph.
        keeps_state: Whether operators keep values between inferences, which an app resets before each new sequence.
        inputs: In the file's own order, which is the order of the interpreter's indices; so ``outputs``.
        primary_output: Index of the output that labels, accuracy and ``top_k`` belong to.
        accuracy: As measured on the report's data; null where no report was given.
        accuracy_drop: Paired, to the report's baseline.
        tolerances: One for each output.
    """

    name: str
    scheme: str | None
    size_bytes: int
    measured_sha256: str
    min_runtime_version: str | None
    operators: int
    integer_op_fraction: float | None
    keeps_state: bool
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    primary_output: int
    accuracy: Measured | None
    accuracy_drop: Drop | None
    tolerances: tuple[Tolerances, ...]


class Ranked(Entry):
    """One class of an answer; ``score`` is the real value of the output, float32."""

    index: int
    label: str | None
    score: float


class GoldenResult(Entry):
    """What one variant gets and gives for one sample, as stored, in the file's own order.

    Attributes:
        decoded: What the bundle's reader makes of the outputs; null without a reader.
    """

    variant: str
    inputs: tuple[ArrayFile, ...]
    outputs: tuple[ArrayFile, ...]
    top_k: tuple[Ranked, ...]
    decoded: Decoded | None = None

    def arrays(self) -> tuple[ArrayFile, ...]:
        """Returns all arrays that it names."""
        mask = (self.decoded.mask,) if isinstance(self.decoded, GoldenMask) else ()
        return (*self.inputs, *self.outputs, *mask)


class GoldenSample(Entry):
    """One real sample on its way through the model.

    Attributes:
        key: The sample's name in the data.
        label: Class index, where the data have classes.
        original: The sample's own file, byte for byte.
        image: The same as the host decoded it, without loss, so that preprocessing can be compared to the bit although
            decoders of lossy formats differ.
        pixels: After crop and resize, in the model's layout, before normalization.
        inputs: Real values, in the order of the first variant's inputs.
    """

    name: str
    key: str
    label: int | None
    original: ImageFile | None
    image: ImageFile | None
    pixels: ArrayFile | None
    inputs: tuple[ArrayFile, ...]
    results: tuple[GoldenResult, ...]

    def files(self) -> tuple[FileEntry, ...]:
        """Returns every file of the sample, once."""
        found = [entry for entry in (self.original, self.image, self.pixels) if entry is not None]
        arrays = [*self.inputs, *(a for result in self.results for a in result.arrays())]
        return tuple({entry.file: entry for entry in (*found, *arrays)}.values())


class Golden(Entry):
    """Samples with everything that the host computed of them."""

    seed: int
    top_k: int
    samples: tuple[GoldenSample, ...]


class SourceOrigin(Entry):
    """The model that was converted; ``location`` is its file's name."""

    location: str
    sha256: str | None


class DataOrigin(Entry):
    """The data that accuracy was measured on; ``location`` is the last part of its name."""

    location: str
    samples: int
    sha256: str | None


class Bundle(Entry):
    """``bundle.json``.

    Attributes:
        input_kind: 'image' where images become the only input; 'tensors' otherwise.
        recommended: The variant that an app starts with.
        baseline: The variant that drops are measured against; it need not be in the bundle.
        task: 'classification' where the primary output has a value for each class; 'binary' where it has one value for two
            classes, whose scores are then ``(1 - p, p)``, or ``(-v, v)`` of a logit; 'detection', 'segmentation' and 'keypoints' where
            ``reader`` says how outputs are decoded; 'other' otherwise. ``top_k`` is empty but for the first two.
        reader: How outputs become boxes, masks or poses: a reader's name, the names of the outputs that it reads, and all its options (see
            ``docs/bundle.md``).
        sound: What an app's recordings must be, where the data were sounds.
        output_meaning: What the primary output holds; 'values' are logits or quantities.
    """

    schema_version: Literal[1, 2] = 1
    tool: dict[str, str]
    name: str
    input_kind: Literal["image", "tensors"]
    task: Task
    reader: dict[str, Any] | None = None
    recommended: str
    baseline: str | None
    preprocessing: Preprocessing
    sound: SoundFormat | None = None
    labels: tuple[str, ...] | None
    output_meaning: Literal["probabilities", "values"]
    source: SourceOrigin | None
    dataset: DataOrigin | None
    variants: tuple[BundledVariant, ...]
    golden: Golden

    def variant(self, name: str) -> BundledVariant:
        """Returns a variant by name.

        Raises:
            BundleError: There is none of that name.
        """
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise BundleError(
            f"The bundle '{self.name}' has no variant '{name}'.",
            fix=f"It has {', '.join(v.name for v in self.variants)}.",
        )

    def files(self) -> tuple[FileEntry, ...]:
        """Returns every file that the bundle names, once, with its hash."""
        return (*self.variants, *(f for s in self.golden.samples for f in s.files()))


def class_count(task: str, output: TensorSpec) -> int | None:
    """Returns for how many classes an output stands; None where it ranks none or its size is not fixed."""
    if task not in RANKED or min(output.shape[1:], default=1) < 0:
        return None
    return 2 if task == "binary" else math.prod(output.shape[1:])


def read_bundle(folder: str | Path) -> Bundle:
    """Reads a bundle and checks its schema version, the hashes and sizes of all files, labels, tensors and names.

    Args:
        folder: The folder that `bundle` wrote.

    Returns:
        The content of ``bundle.json``.

    Raises:
        BundleError: Something is missing, changed or malformed, or it was made by a newer version of the kit.
        ContractError: The labels do not match the output.

    Example:
        >>> bundle = tk.read_bundle("build/bundle")
        >>> print([variant.name for variant in bundle.variants])
    """
    folder = Path(folder)
    bundle = read_description(folder)
    _check_variants(bundle)
    _check_samples(bundle)
    for entry in bundle.files():
        _check_file(folder, entry)
    if bundle.labels is not None and _content(folder / LABELS_FILE) != labels_file(bundle.labels).encode():
        raise _changed(f"{folder / LABELS_FILE} does not have the labels of bundle.json.")
    return bundle


def _check_variants(bundle: Bundle) -> None:
    if not bundle.variants:
        raise _changed(f"The bundle '{bundle.name}' has no variants.")
    bundle.variant(bundle.recommended)
    names = [variant.name for variant in bundle.variants]
    if len(set(names)) != len(names):
        raise _changed(f"The bundle '{bundle.name}' names a variant twice.")
    for variant in bundle.variants:
        if not 0 <= variant.primary_output < len(variant.outputs):
            raise _changed(f"The variant '{variant.name}' has no output {variant.primary_output}.")
        if len(variant.tolerances) != len(variant.outputs):
            raise _changed(
                f"The variant '{variant.name}' has {len(variant.outputs)} outputs and {len(variant.tolerances)} tolerances."
            )
        classes = class_count(bundle.task, variant.outputs[variant.primary_output])
        if classes is not None and bundle.labels is not None and len(bundle.labels) != classes:
            raise labels_mismatch(len(bundle.labels), classes)


def _check_samples(bundle: Bundle) -> None:
    for sample in bundle.golden.samples:
        for result in sample.results:
            variant = bundle.variant(result.variant)
            for arrays, specs in ((result.inputs, variant.inputs), (result.outputs, variant.outputs)):
                if [array.dtype for array in arrays] != [spec.dtype for spec in specs]:
                    raise _changed(
                        f"The golden sample {sample.name} does not have the tensors of the variant '{variant.name}'."
                    )
            classes = class_count(bundle.task, variant.outputs[variant.primary_output])
            if classes is not None and not all(0 <= ranked.index < classes for ranked in result.top_k):
                raise _changed(f"The golden sample {sample.name} names a class that '{variant.name}' does not have.")


def _check_file(folder: Path, entry: FileEntry) -> None:
    path = folder / entry.file
    if not is_file(path):
        raise _changed(f"The bundle {folder} lacks {entry.file}.")
    found = content_hash(path)
    if found != entry.sha256:
        raise BundleError(
            f"{path} is not the file that the bundle was made with.",
            why=f"Its SHA-256 is {found[:12]}…, bundle.json says {entry.sha256[:12]}….",
            fix="Make the bundle again with 'tflitekit bundle', or restore the file.",
        )
    stated = entry.size_bytes if isinstance(entry, BundledVariant | ArrayFile) else None
    size = path.stat().st_size
    if stated is not None and stated != size:
        raise _changed(f"{path} has {size} bytes, but bundle.json says {stated}.")


def labels_file(labels: Sequence[str]) -> str:
    """Returns what stands in `LABELS_FILE`: a line for each class."""
    return "\n".join(labels) + "\n"


def _content(path: Path) -> bytes | None:
    return read_bytes(path) if is_file(path) else None


def _changed(what: str) -> BundleError:
    return BundleError(what, fix="Make the bundle again with 'tflitekit bundle'.")


def read_description(folder: Path) -> Bundle:
    """Reads ``bundle.json`` and does not look at the files that it names.

    Raises:
        BundleError: It is missing, malformed, or was made by a newer version of the kit.
    """
    path = folder / "bundle.json"
    try:
        content: Any = read_json(path)
    except UnreadableError as error:
        fix = "Make one with 'tflitekit bundle'."
        if error.missing:
            raise BundleError(f"There is no bundle at {path.parent}.", fix=fix) from error
        raise BundleError(f"{path} cannot be read: {error.reason}.", fix=fix) from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if type(version) is not int or version < 1:
        raise BundleError(f"{path} is not the description of a bundle: it has no schema version.")
    if version > SCHEMA_VERSION:
        raise BundleError(
            f"{path} has the schema version {shortened(str(version))}; this kit reads versions 1 to {SCHEMA_VERSION}.",
            fix="Update tflitekit, or make the bundle with this version.",
        )
    try:
        return check_model(Bundle, content, str(path), largest=LARGEST)
    except UnreadableError as error:
        raise BundleError(
            f"{path} cannot be read: {error.reason}.", fix="Make the bundle again with 'tflitekit bundle'."
        ) from None
