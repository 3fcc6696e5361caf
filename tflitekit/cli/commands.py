"""What a command is: examples first, options in panels, errors as messages and exit codes; loaded when it is called."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from tflitekit.core.errors import UsageError, as_known
from tflitekit.core.lifetime import Stopped, finished
from tflitekit.core.printable import dump_json

__all__ = [
    "INTERRUPTED",
    "Command",
    "CommandGroup",
    "LazyGroup",
    "PanelOption",
    "by_panel",
    "command",
    "guarded",
    "print_json",
]

INTERRUPTED = 130
_WIDTH = 110
_REST = "Options"
_PANELS = ("Model", "Data", "Limits", "Measuring", "Training", "Output", _REST)
_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": _WIDTH}


class PanelOption(click.Option):
    """An option that stands in a panel of ``--help``.

    Args:
        field: What it is called in Python, with its model; '' for what only the command line has.
    """

    def __init__(self, *args: Any, panel: str, field: str = "", **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.panel, self.field = panel, field


class Command(click.Command):
    """A command whose help begins with examples and has panels."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **settings: Any) -> None:
        super().__init__(*args, **{"context_settings": _CONTEXT} | settings)
        self.examples = examples

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_help_text(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                formatter.write("".join(f"{'':>{formatter.current_indent}}{line}\n" for line in self.examples))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for panel, options in by_panel(self.get_params(ctx)).items():
            with formatter.section(panel):
                formatter.write_dl([option.get_help_record(ctx) or ("", "") for option in options])


def by_panel(parameters: Iterable[click.Parameter]) -> dict[str, list[click.Parameter]]:
    """Returns the options in the panels that they stand in, these in the order of ``--help``."""
    panels: dict[str, list[click.Parameter]] = {}
    for parameter in parameters:
        if isinstance(parameter, click.Option):
            panels.setdefault(getattr(parameter, "panel", _REST), []).append(parameter)
    return dict(sorted(panels.items(), key=lambda item: _PANELS.index(item[0].partition(" ")[0])))


class CommandGroup(Command, click.Group):
    """The same with commands of its own."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


class LazyGroup(click.Group):
    """A group that imports the module of a command when it is called: its own help needs names and one line each.

    Args:
        lazy: By the name of a command, the module that has it and its line in the help.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]], **settings: Any) -> None:
        super().__init__(*args, context_settings=_CONTEXT, **settings)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Returns the command as the help lists it; `resolve_command` returns the one that runs."""
        return click.Command(cmd_name, help=self.lazy[cmd_name][1]) if cmd_name in self.lazy else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.lazy.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, found, rest = super().resolve_command(ctx, args)
        return name, found if name is None else self.load(name), rest

    def load(self, name: str) -> click.Command:
        """Returns the command itself."""
        found: click.Command = getattr(importlib.import_module(self.lazy[name][0]), name)
        return found


def command(*examples: str) -> Callable[[Callable[..., int]], Command]:
    """Makes a function a command; `examples` are command lines that its help begins with."""

    def decorate(function: Callable[..., int]) -> Command:
        made: Command = click.command(cls=Command, examples=examples)(guarded(function))
        return made

    return decorate


_KEPT = (
    " Finished variants and measurements are kept; the same command continues where it was, "
    "a training from its last checkpoint."
)
_AFTER = dict.fromkeys(("quickstart", "optimize", "convert", "suite"), _KEPT) | {
    **dict.fromkeys(("add", "upgrade", "index"), " What is done stays done; the same command does the rest."),
    "remove": " What is removed stays removed.",
    "worker": " What was begun here is done by other workers.",
}
"""What is said of a command's work where the command was stopped."""


def guarded(command: Callable[..., int | None]) -> Callable[..., None]:
    """Turns the kit's errors and Ctrl-C into messages and exit codes."""

    @functools.wraps(command)
    def run(*args: Any, **options: Any) -> None:
        try:
            code = command(*args, **options)
            finished()
        except (KeyboardInterrupt, Stopped) as stopped:
            finished()
            click.echo(f"Stopped.{_AFTER.get(command.__name__, ' Nothing was kept.')}", err=True)
            raise click.exceptions.Exit(getattr(stopped, "exit_code", INTERRUPTED)) from None
        except Exception as error:
            known = _without_working_directory() or as_known(error)
            if known is None:
                raise
            if options.get("as_json"):
                print_json({"error": known.to_json()})
            from tflitekit.cli.console import show_error

            show_error(known)
            raise click.exceptions.Exit(known.exit_code) from None
        raise click.exceptions.Exit(code or 0)

    return run


def print_json(value: Any) -> None:
    """Prints JSON in what standard output can encode."""
    utf8 = (sys.stdout.encoding or "").lower().startswith("utf")
    sys.stdout.write(dump_json(value, ascii_only=not utf8) + "\n")


def _without_working_directory() -> UsageError | None:
    """Returns why anything may have failed where the working directory is gone."""
    try:
        Path.cwd()
    except OSError as error:
        return UsageError(
            f"The working directory cannot be used: {(error.strerror or str(error)).lower()}.",
            why="It was deleted or its rights were taken away after the shell went there.",
            fix="Change into a folder that exists and run the same command again.",
        )
    return None
