"""What all options have in common: they are immutable, checked when they are made, and refused in the user's own names."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from tflitekit.core.errors import UsageError
from tflitekit.core.files import shortened

__all__ = ["Option", "Options", "Panel", "default_of", "option_of", "takes", "usage_error"]

_Result = TypeVar("_Result")
_Part = TypeVar("_Part", bound="Options")


class Panel(StrEnum):
    """The groups of options in ``--help`` and in the documentation, in this order."""

    MODEL = "Model"
    DATA = "Data"
    LIMITS = "Limits"
    MEASURING = "Measuring"
    TRAINING = "Training (schemes that train: finetuned, qat, pruned, clustered, pruned_qat, ...)"
    OUTPUT = "Output"


@dataclass(frozen=True)
class Option:
    """What a field of `Options` is called and explained as; its type, range and default are the field's own.

    Attributes:
        help: What it does, in one sentence.
        flags: On the command line; ``--`` and the field's name when not given.
        repeatable: Whether it may be given several times on the command line.
        metavar: What stands for the value in ``--help``; that of its type when not given.
        shapes: Whether the bytes that are made depend on it, so that it is part of their key.
    """

    panel: Panel
    help: str
    flags: tuple[str, ...] = ()
    repeatable: bool = False
    metavar: str | None = None
    shapes: bool = True


class Options(BaseModel):
    """Options of one concern.

    Raises:
        UsageError: A name is unknown, or a value cannot be.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **given: Any) -> None:
        unknown = [name for name in given if name not in type(self).model_fields]
        if unknown:
            fix = f"Options: {', '.join(type(self).model_fields)}."
            raise UsageError(f"There is no option '{unknown[0]}'.", fix=fix)
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise usage_error(error) from None

    # pydantic: models inside of others are checked without __init__, so that errors say where in the whole they are.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    def given(self) -> dict[str, Any]:
        """Returns what was given, without the defaults."""
        return {name: value for name, value in self if name in self.model_fields_set}

    def replaced(self, **changes: Any) -> Self:
        """Returns the same options but for these, checked."""
        return type(self)(**self.given() | changes)

    def part(self, model: type[_Part], **others: Any) -> _Part:
        """Returns those that `model` has too."""
        return model(**{name: value for name, value in self.given().items() if name in model.model_fields} | others)

    def key(self) -> dict[str, Any]:
        """Returns as JSON the options that what is made depends on."""
        names = {name for name, field in type(self).model_fields.items() if option_of(field).shapes}
        return self.model_dump(mode="json", include=names)


_UNEXPLAINED = Option(Panel.OUTPUT, "")


def option_of(field: FieldInfo) -> Option:
    """Returns how a field is called and explained."""
    return next((found for found in field.metadata if isinstance(found, Option)), _UNEXPLAINED)


def default_of(model: type[Options], name: str) -> Any:
    """Returns the default of a field."""
    return model.model_fields[name].get_default(call_default_factory=True)


_WANTED = {
    "greater_than_equal": "Give {ge:g} or more.",
    "greater_than": "Give more than {gt:g}.",
    "less_than_equal": "Give at most {le:g}.",
    "less_than": "Give less than {lt:g}.",
    "int_parsing": "Give a whole number.",
    "int_from_float": "Give a whole number.",
    "int_type": "Give a whole number.",
    "float_parsing": "Give a number.",
    "float_type": "Give a number.",
    "bool_parsing": "Give true or false.",
    "string_type": "Give a text.",
    "string_pattern_mismatch": "Give letters from a to z, digits, '_', '.' and '-', a letter or digit first.",
    "string_too_long": "Give at most {max_length:d} letters.",
    "tuple_type": "Give a list.",
    "too_short": "Give at least {min_length:d}.",
    "dict_type": "Give a table.",
    "model_type": "Give a table.",
    "model_attributes_type": "Give a table.",
}


def usage_error(error: ValidationError, name_of: Callable[[str], str] = str) -> UsageError:
    """Returns what is wrong first, in the user's names.

    Args:
        name_of: What the user calls a field.
    """
    problem = error.errors(include_url=False)[0]
    if not problem["loc"]:
        return UsageError(refusal(problem)[1])
    name = name_of(str(problem["loc"][0]))
    if problem["type"] == "missing":
        return UsageError(f"{name} is missing.")
    value, fix = refusal(problem)
    return UsageError(f"{name} cannot be {value}.", fix=fix)


def refusal(problem: Any) -> tuple[str, str]:
    """Returns a value that pydantic refuses, as it is shown, and what to give instead."""
    value, kind, context = problem["input"], problem["type"], problem.get("ctx", {})
    if kind == "literal_error":
        fix = f"It takes {context['expected'].replace(chr(39), '')}."
    elif kind == "value_error":
        fix = str(context["error"])
    else:
        fix = _WANTED.get(kind, f"{problem['msg']}.").format(**context)
    value = ", ".join(map(str, value)) if isinstance(value, list | tuple) and value else value
    is_number = kind.startswith(("greater", "less"))
    return f"'{value}'" if isinstance(value, str) and not is_number else shortened(str(value)), fix


def takes(model: type[Options], name: str = "how") -> Callable[[Callable[..., _Result]], Callable[..., _Result]]:
    """Gives a function the options of a model as keyword arguments; it gets the object as ``name``.

    The signature and the documentation of the function list them, so that ``help()`` knows them.
    """

    def decorate(function: Callable[..., _Result]) -> Callable[..., _Result]:
        signature = inspect.signature(function)
        own = [parameter for parameter in signature.parameters.values() if parameter.name != name]
        names = {parameter.name for parameter in own}

        @functools.wraps(function)
        def run(*args: Any, **given: Any) -> _Result:
            chosen = {key: given.pop(key) for key in list(given) if key not in names}
            return function(*args, **given, **{name: model(**chosen)})

        run.__signature__ = signature.replace(parameters=[*own, *_parameters(model)])  # type: ignore[attr-defined]
        run.__doc__ = _documented(function.__doc__ or "", model)
        return run

    return decorate


def _parameters(model: type[Options]) -> list[inspect.Parameter]:
    return [
        inspect.Parameter(
            key,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.get_default(call_default_factory=True),
            annotation=field.annotation,
        )
        for key, field in model.model_fields.items()
    ]


_ARGS = "    Args:\n"


def _documented(text: str, model: type[Options]) -> str:
    """Adds the options to the arguments of a docstring."""
    lines = [f"        {name}: {option_of(field).help}\n" for name, field in model.model_fields.items()]
    before, head, after = text.partition(_ARGS)
    own, blank, rest = after.partition("\n\n")
    return f"{before}{head}{own}\n{''.join(lines).rstrip()}{blank}{rest}" if head else text
