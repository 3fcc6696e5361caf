"""What a phone's battery says about the energy of one inference.

Android passes on what the maker's fuel gauge tells (BatteryManager: BATTERY_PROPERTY_CURRENT_NOW in microamperes, _CHARGE_COUNTER in
microampere-hours, _ENERGY_COUNTER in nanowatt-hours). Signs differ by maker and some give milliamperes, so magnitudes are
used, and a current that no phone has is not taken for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tflitekit.latency.energy import energy_above_idle
from tflitekit.results import Energy, LoadState, Sustained

__all__ = ["battery_energy"]

_FEWEST_STEPS = 10
"""A counter that moved less often tells its own resolution rather than the energy."""
_SMALLEST_UA, _LARGEST_UA = 20_000, 20_000_000
_USE_WIFI = "Measure over Wi-Fi ('adb tcpip 5555', 'adb connect ADDRESS') with the cable out."


def battery_energy(load: Sustained) -> Energy | str:
    """Returns the energy of one inference, or why the battery does not tell it."""
    states = (*load.idle, *load.states)
    if len(load.idle) < 3 or len(load.states) < 3:
        return "the load was too short."
    if any(state.battery is None for state in states):
        return "the app recorded nothing of the battery."
    plugged = [state.battery.plugged for state in states if state.battery]
    if any(plugged) or any(state.device.charging for state in states):
        return f"the phone was charging. {_USE_WIFI}"
    if None in plugged:
        return "the phone does not say whether it was charging."
    seconds, runs = load.states[-1].time_s - load.states[0].time_s, load.states[-1].runs
    for meter, watts in (
        ("energy counter of the battery", _by_energy),
        ("current and voltage of the battery", _by_current),
        ("charge counter and voltage of the battery", _by_charge),
    ):
        idle_w, load_w = watts(load.idle), watts(load.states)
        if idle_w and load_w and seconds > 0:
            found = energy_above_idle(idle_w, load_w, runs / seconds, inferences=runs, meter=meter, coarse=True)
            if found is not None:
                return found
    return "it has no meter that is fine enough for a load of this length."


def _by_current(states: Sequence[LoadState]) -> list[float]:
    watts = []
    for state in states:
        battery = state.battery
        if battery is None or battery.current_ua is None or battery.voltage_mv is None:
            return []
        if not _SMALLEST_UA <= abs(battery.current_ua) <= _LARGEST_UA:
            return []
        watts.append(abs(battery.current_ua) * 1e-6 * battery.voltage_mv * 1e-3)
    return watts


def _by_energy(states: Sequence[LoadState]) -> list[float]:
    return _slopes(states, [s.battery.energy_nwh if s.battery else None for s in states], [3600e-9] * len(states))


def _by_charge(states: Sequence[LoadState]) -> list[float]:
    volts = [(s.battery.voltage_mv or 0) * 1e-3 if s.battery else 0 for s in states]
    if not all(volts):
        return []
    return _slopes(states, [s.battery.charge_uah if s.battery else None for s in states], [3600e-6 * v for v in volts])


def _slopes(states: Sequence[LoadState], left: Sequence[int | None], joules: Sequence[float]) -> list[float]:
    """Returns the power between readings of a counter of what is left, each worth so many joules."""
    if None in left or len(set(left)) <= _FEWEST_STEPS:
        return []
    watts = []
    for (first, second), (before, after), worth in zip(pairwise(states), pairwise(left), joules[1:], strict=True):
        if second.time_s > first.time_s and before is not None and after is not None:
            watts.append((before - after) * worth / (second.time_s - first.time_s))
    return watts
