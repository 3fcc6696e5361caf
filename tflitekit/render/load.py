"""Words for a sustained load: latency, heat and battery of a phone, energy."""

from __future__ import annotations

from typing import get_args

from tflitekit.core.units import duration
from tflitekit.results import Energy, Sustained
from tflitekit.results.latency import ThermalStatus

__all__ = ["battery", "energy", "load", "warmth"]

_SCALES = ((1.0, 1.0, "J"), (1e-3, 1e3, "mJ"), (0.0, 1e6, "µJ"))


def load(found: Sustained) -> str:
    """Returns all of it as one sentence without its end."""
    latency = (
        f"{duration(found.start_ms)} at the start, {duration(found.end_ms)} after {found.minutes:g} minutes of load "
        f"({found.change - 1:+.1%})"
    )
    parts = [latency, warmth(found), battery(found)]
    if found.energy is not None:
        parts.append(f"{energy(found.energy)} an inference")
    return "; ".join(part for part in parts if part)


def energy(found: Energy) -> str:
    """Returns the energy of one inference with its interval."""
    _, factor, unit = next(scale for scale in _SCALES if abs(found.joules) >= scale[0])
    low, value, high = (f"{joules * factor:.3g}" for joules in (found.low, found.joules, found.high))
    return f"{value} {unit} ({low} to {high}{', coarse' if found.coarse else ''})"


def warmth(found: Sustained) -> str:
    """Returns how warm the battery became and how much the phone slowed down; '' where it does not tell."""
    degrees = [state.device.battery_celsius for state in found.states if state.device.battery_celsius is not None]
    order = get_args(ThermalStatus)
    seen = [order.index(state.device.thermal_status) for state in found.states if state.device.thermal_status]
    parts = [f"{degrees[0]:.1f} to {degrees[-1]:.1f} °C"] if degrees else []
    return ", ".join([*parts, *([f"thermal status '{order[max(seen)]}'"] if seen else [])])


def battery(found: Sustained) -> str:
    """Returns the charge of the battery before and after; '' where it is not known."""
    percent = [state.device.battery_percent for state in found.states if state.device.battery_percent is not None]
    return f"battery {percent[0]} to {percent[-1]} %" if percent else ""
