"""What one run of *optimize* is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tflitekit.core.files import hash_json
from tflitekit.data.dataset import everywhere
from tflitekit.data.settings import split_settings
from tflitekit.options.benchmark import LatencyOptions
from tflitekit.options.convert import ConvertOptions
from tflitekit.options.optimize import OptimizeOptions
from tflitekit.results import Constraints

__all__ = ["Order"]


@dataclass(frozen=True)
class Order:
    """A model, data, and all that was chosen; see `tflitekit.optimize`."""

    model: Any
    data: Any
    out: Path
    how: OptimizeOptions
    constraints: Constraints
    options: ConvertOptions

    def files(self) -> list[str]:
        """Returns the paths of its model and its data, those that there are here."""
        named = (self.model, self.data, self.how.calibration)
        paths = [Path(split_settings(str(one))[0]) for one in named if isinstance(one, str | Path)]
        return [str(path.absolute()) for path in paths if path.exists()]

    def to_json(self) -> dict[str, Any]:
        """Returns it for a machine of a cluster, where the paths are the same."""
        return {
            "model": everywhere(str(self.model)),
            "data": everywhere(str(self.data)),
            "out": str(self.out.resolve()),
            "how": _everywhere(self.how.model_dump(mode="json", exclude_unset=True)),
            "constraints": self.constraints.model_dump(mode="json", exclude_unset=True),
            "options": _everywhere(self.options.model_dump(mode="json", exclude_unset=True)),
        }

    def without_latency(self) -> str:
        """Returns what names all that conversion and evaluation go by: the same for orders that differ in the folder or in how latency is measured."""
        content = self.to_json()
        how = {name: value for name, value in content["how"].items() if name not in LatencyOptions.model_fields}
        return hash_json(content | {"out": None, "how": how})

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Returns what `to_json` wrote."""
        return cls(
            model=content["model"],
            data=content["data"],
            out=Path(content["out"]),
            how=OptimizeOptions(**content["how"]),
            constraints=Constraints(**content["constraints"]),
            options=ConvertOptions(**content["options"]),
        )


_PLACES = ("app", "calibration", "class_weights", "data", "labels", "search_data", "validation")


def _everywhere(options: dict[str, Any]) -> dict[str, Any]:
    """Returns options whose paths do not depend on the working directory."""
    found = dict(options)
    for name, value in options.items():
        if isinstance(value, dict):
            found[name] = _everywhere(value)
        elif isinstance(value, str) and name in _PLACES:
            found[name] = everywhere(value)
    return found
