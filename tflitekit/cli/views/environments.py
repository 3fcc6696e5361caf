"""The environments for programs of others, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tflitekit.cli.console import show_table

__all__ = ["show_environments"]


def show_environments(environments: Sequence[dict[str, Any]]) -> None:
    """Prints what `describe_environments` found."""
    show_table(("Environment", "For", "State", "Versions", "Size"), [
        (e["name"], e["purpose"], e["state"], ", ".join(f"{name} {version}" for name, version in e["versions"].items()) or "–", e["size"])
        for e in environments
    ])  # fmt: skip
