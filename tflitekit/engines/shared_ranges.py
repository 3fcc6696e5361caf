"""Ranges of activations, measured once for all variants that are made of one file."""

from __future__ import annotations

import hashlib
import json

import numpy as np
from filelock import FileLock

from tflitekit.core.files import write_json
from tflitekit.engines.ranges import Range, measure_ranges
from tflitekit.engines.samples import Batches
from tflitekit.source.prepared import Exported

__all__ = ["shared_ranges"]


def shared_ranges(content: bytes, samples: Batches, exported: Exported) -> dict[str, Range]:
    """Does as `measure_ranges`, unless another variant of this run has: workers make several at a time, and the others wait for the first."""
    folder = exported.folder.with_name(f"{exported.folder.name}.ranges")
    folder.mkdir(exist_ok=True)
    path = folder / f"{_key(content, samples)}.json"
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            measured = measure_ranges(content, samples)
            write_json(
                path,
                {name: {bound: value.item() for bound, value in found.items()} for name, found in measured.items()},
            )
    kept = json.loads(path.read_bytes())
    return {
        name: {bound: np.array([value], np.float32) for bound, value in found.items()} for name, found in kept.items()
    }


def _key(content: bytes, samples: Batches) -> str:
    """Returns a hash of the file and of all samples."""
    digest = hashlib.sha256(content)
    for sample in samples:
        for name, values in sample.items():
            digest.update(f"{name} {values.dtype} {values.shape}".encode())
            digest.update(values.tobytes())
    return digest.hexdigest()
