"""What this installation can do, and what is missing."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

from packaging.requirements import Requirement

from tflitekit._version import __version__
from tflitekit.optimization import machine_description

__all__ = ["diagnose"]

_PURPOSES = {
    "ai-edge-litert": "running and reading .tflite files",
    "numpy": "arrays",
    "pillow": "decoding images",
    "tensorflow": "converting",
    "keras": "loading Keras 3 models",
    "tf_keras": "loading Keras 2 models",
    "tensorflow-model-optimization": "quantization-aware training",
}


def diagnose() -> dict[str, Any]:
    """Returns packages with their state, the machine, and problems each with its remedy."""
    wanted = {}
    for line in requires("tflitekit") or ():
        parsed = Requirement(line)
        wanted[parsed.name.lower().replace("_", "-")] = parsed
    packages, problems = [], []
    missing = []
    for name, purpose in _PURPOSES.items():
        requirement: Requirement | None = wanted.get(name.lower().replace("_", "-"))
        try:
            found = version(name)
        except PackageNotFoundError:
            packages.append({"name": name, "version": None, "state": "missing", "purpose": purpose})
            missing.append(name)
            continue
        tested = requirement is None or requirement.specifier.contains(found, prereleases=True)
        packages.append(
            {"name": name, "version": found, "state": "ok" if tested else "untested version", "purpose": purpose}
        )
        if not tested and requirement is not None:
            problems.append(
                f"{name} {found} is outside the tested range {requirement.specifier}: pip install '{requirement}'"
            )
    if missing:
        problems.append(f"Not installed: {', '.join(missing)}. Converting needs them: pip install 'tflitekit[convert]'")
    return {
        "tflitekit": __version__,
        "python": platform.python_version(),
        "packages": packages,
        "machine": machine_description(),
        "problems": problems,
    }
