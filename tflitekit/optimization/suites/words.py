"""What is said to people in the words of the command line, in those of a suite file."""

from __future__ import annotations

import functools
import re

from tflitekit.core.errors import TflitekitError
from tflitekit.options.base import Options, option_of
from tflitekit.options.convert import ConvertOptions
from tflitekit.options.limits import Constraints
from tflitekit.options.optimize import OptimizeOptions
from tflitekit.options.training import TrainingOptions

__all__ = ["in_keys", "said"]

_OTHERS = {"--data": "evaluation", "--train": "training"}
_OF_THE_COMMAND = ("cluster", "depot")


def in_keys(text: str) -> str:
    """Returns a text with keys in place of flags: 'schemes' for ``--scheme NAME``."""
    return re.sub(
        r"(?<![\w-])(--[a-z][a-z-]*)(?: [A-Z][A-Z,:@=.]+\b)?",
        lambda found: f"'{_keys()[found[1]]}'" if found[1] in _keys() else found[0],
        text,
    )


def said(error: TflitekitError) -> tuple[str, str | None]:
    """Returns what happened and why, and what to do, in the words of a suite file."""
    happened = "\n".join(filter(None, (error.what, error.why)))
    return in_keys(happened), None if error.fix is None else in_keys(error.fix)


@functools.cache
def _keys() -> dict[str, str]:
    found: dict[str, str] = {}
    models: tuple[type[Options], ...] = (TrainingOptions, OptimizeOptions, ConvertOptions, Constraints)
    for model in models:
        for name, field in model.model_fields.items():
            if name not in _OF_THE_COMMAND:
                flags = option_of(field).flags or (f"--{name.replace('_', '-')}",)
                found |= {flag: name for flag in flags if flag.startswith("--")}
    return found | _OTHERS
