"""`tflitekit doctor`: checks this installation; `tflitekit doctor apk`: checks an Android package."""

from __future__ import annotations

from pathlib import Path

import click

from tflitekit.cli.commands import Command, CommandGroup, guarded, print_json
from tflitekit.cli.shared import as_json, path


@click.group(
    cls=CommandGroup,
    invoke_without_command=True,
    examples=("tflitekit doctor", "tflitekit doctor apk app-release.apk"),
)
@as_json
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """Checks this installation: versions, extras, environments, programs that targets need, CPU features, and how to install what is missing."""
    if context.invoked_subcommand is None:
        _installation(as_json=as_json)
    elif as_json:
        raise click.BadParameter(f"Write it after '{context.invoked_subcommand}'.", param_hint="--json")


@guarded
def _installation(*, as_json: bool) -> int:
    from tflitekit.cli.installation import diagnose

    found = diagnose()
    if as_json:
        print_json(found)
    else:
        from tflitekit.cli.console import show_table, stdout
        from tflitekit.cli.views.environments import show_environments
        from tflitekit.render.text import size

        show_table(("Package", "Version", "State", "For"), [
            (p["name"], p["version"] or "–", p["state"], p["purpose"]) for p in found["packages"]
        ])  # fmt: skip
        show_table(("Extra", "For", "State", "What is missing, and how to get it"), [
            (e["name"], e["purpose"], e["state"], f"{', '.join(e['missing'])}: {e['command']}" if e["missing"] else "–") for e in found["extras"]
        ])  # fmt: skip
        show_environments(found["environments"])
        show_table(("Program", "For", "State", "Where, or how to get it"), [
            (p["name"], p["purpose"], p["state"], p["path"] or p["fix"]) for p in found["programs"]
        ])  # fmt: skip
        machine = found["machine"]
        features = ", ".join(f"{name} {'yes' if has else 'no'}" for name, has in machine["kernel_features"].items())
        stdout.print(
            f"{machine['cpu']}, {machine['cores']} cores, {machine['architecture']}, {machine['system']}", markup=False
        )
        stdout.print(f"CPU features that kernels use: {features}", markup=False)
        if (copies := found["copies"])["bytes"]:
            stdout.print(f"Copies of what is behind URLs: {size(copies['bytes'])} in {copies['folder']}", markup=False)
        for problem in found["problems"]:
            stdout.print(f"• {problem}", style="yellow", markup=False)
        if not found["problems"]:
            stdout.print("Everything that conversion and measurement need is here.", style="green")
    return 1 if found["problems"] else 0


@doctor.command(
    cls=Command, examples=("tflitekit doctor apk app-release.apk", "tflitekit doctor apk app-release.apk --json")
)
@path("file", help="An Android package, .apk.")
@as_json
@guarded
def apk(file: Path, as_json: bool) -> int:
    """Checks an APK for what would fail in Play, on installation or at run time; exits with 1 if anything would."""
    from tflitekit.apk import inspect_apk

    found = inspect_apk(file)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        from tflitekit.cli.views.apk import show_apk

        show_apk(found)
    return 1 if found.has_errors else 0
