"""Turns models of options into options of a command, and what was given into the models."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import click
from annotated_types import Ge, Gt, Le, Lt
from click.shell_completion import CompletionItem
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from tflitekit.cli.commands import PanelOption
from tflitekit.options.base import Options, option_of, usage_error

__all__ = ["build", "default_text", "flags_of", "range_text", "takes_options"]

_Command = TypeVar("_Command", bound=Callable[..., Any])
Flags = Mapping[str, tuple[str, ...]]


class _Given(click.ParamType[str]):
    """A value as it was written: the model checks it, as it does in Python and in suite files."""

    name = "text"

    def __init__(self, choices: Collection[str] = ()) -> None:
        self.choices = choices

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        if not self.choices:
            from tflitekit.cli.completion import names_for

            self.choices = list(names_for(param.opts[0]))
        return [CompletionItem(choice) for choice in self.choices if choice.startswith(incomplete)]


def takes_options(
    model: type[Options],
    name: str,
    *,
    without: Collection[str] = (),
    flags: Flags | None = None,
    make: Callable[[dict[str, Any], Callable[[str], str]], Any] | None = None,
) -> Callable[[_Command], _Command]:
    """Gives a command the options of a model; it gets the object as ``name``.

    Args:
        without: Fields that are no options of this command.
        flags: What fields are called here, where that is not what the model says.
        make: Makes the object of what was given, and of what fields are called; `build` when not given.
    """
    called = {field: flags_of(model, field) for field in _shown(model, without)} | dict(flags or {})
    make = make or functools.partial(build, model)

    def decorate(command: _Command) -> _Command:
        @functools.wraps(command)
        def run(**values: Any) -> Any:
            given = {field: values.pop(f"{name}__{field}") for field in called}
            given = {field: value for field, value in given.items() if value not in (None, ())}
            return command(**values, **{name: make(given, lambda field: called[field][0])})

        for field in reversed(called):
            _add(run, model, field, called[field], f"{name}__{field}")
        return run  # type: ignore[return-value]

    return decorate


def build(model: type[Options], given: dict[str, Any], name_of: Callable[[str], str]) -> Any:
    """Returns the object, or says which option of the command line cannot be."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise usage_error(error, name_of) from None


def flags_of(model: type[Options], field: str) -> tuple[str, ...]:
    """Returns what a field is called on the command line."""
    return option_of(model.model_fields[field]).flags or (f"--{field.replace('_', '-')}",)


def _shown(model: type[Options], without: Collection[str]) -> list[str]:
    return [name for name, field in model.model_fields.items() if option_of(field).help and name not in without]


def _add(command: Callable[..., Any], model: type[Options], key: str, flags: tuple[str, ...], name: str) -> None:
    field = model.model_fields[key]
    explained, choices = option_of(field), _choices(field)
    notes = [text for text in (default_text(field), range_text(field)) if text]
    settings: dict[str, Any] = {
        "panel": explained.panel.value,
        "field": f"{model.__name__}.{key}",
        "help": f"{explained.help}  [{'; '.join(notes)}]" if notes else explained.help,
        "default": None,
    }
    if field.annotation is bool:
        settings["is_flag"] = True
    else:
        settings["type"] = _Given(choices)
        settings["metavar"] = explained.metavar or ("[" + "|".join(choices) + "]" if choices else _metavar(field))
        settings["multiple"] = explained.repeatable
    click.option(*flags, name, cls=PanelOption, **settings)(command)


def _kinds(field: FieldInfo) -> tuple[Any, ...]:
    """Returns the types that a value may have, but for None."""
    annotation = field.annotation
    several = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    return tuple(kind for kind in several if kind is not type(None))


def _choices(field: FieldInfo) -> tuple[str, ...]:
    return tuple(str(choice) for kind in _kinds(field) if get_origin(kind) is Literal for choice in get_args(kind))


def _metavar(field: FieldInfo) -> str:
    return {int: "N", float: "NUMBER"}.get(_kinds(field)[0], "TEXT")


def default_text(field: FieldInfo) -> str:
    """Returns the default as one would write it; nothing where there is none or it is plain."""
    value = field.get_default(call_default_factory=True)
    if field.is_required() or value is None or value is False or value in ((), {}):
        return ""
    shown = (
        ",".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else value
    )
    return f"default: {shown}"


def range_text(field: FieldInfo) -> str:
    """Returns the range of a number in words."""
    words = []
    for bound in field.metadata:
        if isinstance(bound, Ge):
            words.append(f"at least {bound.ge}")
        elif isinstance(bound, Gt):
            words.append(f"more than {bound.gt}")
        elif isinstance(bound, Le):
            words.append(f"at most {bound.le}")
        elif isinstance(bound, Lt):
            words.append(f"less than {bound.lt}")
    return ", ".join(words)
