"""Writes docs/options.md, the options of every command, from the models in tflitekit/options/.

python scripts/options_page.py [--check]

With --check nothing is written: the exit code is 1 where the file is not what the models say.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from tflitekit.cli import app
from tflitekit.cli.commands import by_panel

FILE = Path(__file__).resolve().parents[1] / "docs" / "options.md"
HEAD = """# Options

`python scripts/options_page.py` writes this page from the models in `tflitekit/options/`, which the command line, the Python
functions and suite files share. In Python, the fields of `ConvertOptions`, `TrainingOptions` and `Constraints` go into objects
of that name (`options=tk.ConvertOptions(batch=4, training=tk.TrainingOptions(data="photos/train"))`,
`constraints=tk.Constraints(max_size_bytes="200kB")`); all others are keyword arguments of the function.

Sizes are written as 200kB, 1.5MB or 98304 (kB is 1000 bytes, KiB 1024), shapes as 224,224,3 or NAME=224,224,3 without the batch.

Completion in bash, zsh and fish: `eval "$(_TFLITEKIT_COMPLETE=bash_source tflitekit)"` (`zsh_source`, `fish_source`).
"""


def page() -> str:
    """Returns the page as it stands in the file."""
    root = click.Context(app, info_name="tflitekit")
    parts = [HEAD]
    for name, about, command, context in _commands(root):
        parts.append(f"## tflitekit {name}\n\n{about}\n")
        for panel, options in by_panel(command.get_params(context)).items():
            rows = list(_rows(options, context))
            if rows and panel != "Options":
                parts.append(
                    f"{panel}:\n\n| Option | In Python | What it does |\n|---|---|---|\n" + "\n".join(rows) + "\n"
                )
    return "\n".join(parts)


def _commands(root: click.Context) -> Iterator[tuple[str, str, click.Command, click.Context]]:
    """Yields name, line and command of all, those of a group behind it."""
    for name in app.list_commands(root):
        command = app.load(name)
        context = click.Context(command, info_name=name, parent=root)
        yield name, app.lazy[name][1], command, context
        for inner, below in command.commands.items() if isinstance(command, click.Group) else ():
            yield (
                f"{name} {inner}",
                below.get_short_help_str(200),
                below,
                click.Context(below, info_name=inner, parent=context),
            )


def _rows(options: Iterable[click.Parameter], context: click.Context) -> Iterable[str]:
    for option in options:
        names, text = option.get_help_record(context) or ("", "")
        field = getattr(option, "field", "")
        cells = (f"`{names}`", f"`{field}`" if field else "", text)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        FILE.write_text(page(), encoding="utf-8")
        return 0
    if FILE.is_file() and FILE.read_text(encoding="utf-8") == page():
        return 0
    print(f"{FILE.name} is not what the models say: run 'python scripts/options_page.py'.")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
