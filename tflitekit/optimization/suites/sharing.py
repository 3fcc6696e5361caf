"""Entries of a suite that differ only in what latency is measured on, and how: their files and scores are the same, and made once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tflitekit.core.files import files_below, locked, write_same
from tflitekit.optimization.order import Order
from tflitekit.optimization.run import needs_clock

__all__ = ["alike", "begin_like"]

_REPORT = "report."
"""How the names of files begin that each run writes for itself."""


def alike(orders: Mapping[str, Order]) -> list[dict[str, Order]]:
    """Returns the orders in groups, in their order; those of a group need the same files and scores.

    A search for the fastest file is a group of its own: what it finds depends on the target.
    """
    groups: dict[str, dict[str, Order]] = {}
    for name, order in orders.items():
        key = f"alone {name}" if needs_clock(order.how) else order.without_latency()
        groups.setdefault(key, {})[name] = order
    return list(groups.values())


def begin_like(first: Path, other: Path) -> None:
    """Gives a run the files and scores of another one that is alike; it then goes on as after an interruption."""
    with locked(other):
        for name, path in files_below(first).items():
            if not path.name.startswith(_REPORT):
                write_same(other / name, path)
