"""Energy of an inference from what a battery told: the arithmetic on records, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from tflitekit.latency.battery import battery_energy
from tflitekit.latency.energy import energy_above_idle
from tflitekit.latency.lints import lint_loads
from tflitekit.render.load import energy, load
from tflitekit.results import BatteryState, DeviceState, Energy, LoadState, Sustained

RUNS_PER_S = 40
IDLE_W, LOAD_W, VOLTS = 1.2, 3.6, 4.0


def states(
    count: int, watts: float, *, seed: int, meter: str, plugged: bool | None = False, start_j: float = 20_000.0
) -> tuple[LoadState, ...]:
    """A phone each second at a power that scatters by a tenth, as one of the meters tells it."""
    drawn = watts * (1 + 0.1 * np.random.default_rng(seed).standard_normal(count))
    left_j = start_j - np.concatenate([[0], np.cumsum(drawn[1:])])
    found = []
    for second in range(count):
        told = {
            "current": {"current_ua": -round(drawn[second] / VOLTS * 1e6)},
            "milliamperes": {"current_ua": round(drawn[second] / VOLTS * 1e3)},
            "charge": {"charge_uah": round(left_j[second] / VOLTS / 3600 * 1e6)},
            "steps": {"charge_uah": round(left_j[second] / VOLTS / 3600e-3) // 10 * 10_000},
            "energy": {"energy_nwh": round(left_j[second] / 3600 * 1e9)},
            "none": {},
        }[meter]
        battery = BatteryState(plugged=plugged, voltage_mv=round(VOLTS * 1000), **told)
        device = DeviceState(
            thermal_status="light", battery_percent=80 - second // 60, battery_celsius=30 + second / 60, charging=False
        )
        found.append(LoadState(time_s=second, runs=second * RUNS_PER_S, device=device, battery=battery))
    return tuple(found)


def sustained(meter: str, *, idle: int = 31, loaded: int = 121, **how: bool | None) -> Sustained:
    return Sustained(
        minutes=2, times_s=(1,), median_ms=(25,), start_ms=25, end_ms=26, change=1.04,
        idle=states(idle, IDLE_W, seed=1, meter=meter, **how), states=states(loaded, LOAD_W, seed=2, meter=meter, **how),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("meter", "name"),
    [("current", "current and voltage"), ("charge", "charge counter and voltage"), ("energy", "energy counter")],
)
def test_each_meter_gives_the_energy_above_idle(meter: str, name: str) -> None:
    found = battery_energy(sustained(meter))
    assert isinstance(found, Energy)
    assert found.meter == f"{name} of the battery" and found.coarse
    assert found.low < (LOAD_W - IDLE_W) / RUNS_PER_S < found.high
    assert found.high - found.low < 0.15 * found.joules
    assert found.inferences == 120 * RUNS_PER_S
    assert found.load_watts == pytest.approx(LOAD_W, rel=0.03) and found.idle_watts == pytest.approx(IDLE_W, rel=0.06)


def test_where_there_is_no_energy_the_reason_is_told() -> None:
    reasons = {
        "was charging": sustained("current", plugged=True),
        "does not say whether": sustained("current", plugged=None),
        "too short": sustained("current", idle=2),
        "no meter that is fine enough": sustained("none"),
    }
    for reason, record in reasons.items():
        assert reason in str(battery_energy(record))
        (found,) = lint_loads({("android:Paper 1", "int8"): record})
        assert found.kind == "energy-not-measured" and reason in found.message
    assert "fine enough" in str(battery_energy(sustained("milliamperes")))  # no phone draws a milliampere
    assert "fine enough" in str(battery_energy(sustained("steps")))  # too few steps of the counter
    bare = sustained("current")
    bare = bare.model_copy(update={"states": tuple(s.model_copy(update={"battery": None}) for s in bare.states)})
    assert "recorded nothing" in str(battery_energy(bare))
    (doubt,) = lint_loads({("android:Paper 1", "int8"): sustained("current").model_copy(update={"change": 1.2})})
    assert doubt.kind == "slowed-down"


def test_the_interval_covers_the_truth() -> None:
    """Welch's interval over block means, against 400 records of known power with slow wobbles."""
    generator, covered = np.random.default_rng(0), 0
    for _ in range(400):
        idle, loaded = (w + np.repeat(generator.normal(0, 0.2, 20), 6) for w in (IDLE_W, LOAD_W))
        found = energy_above_idle(idle, loaded, RUNS_PER_S, inferences=1, meter="a meter")
        covered += found.low <= (LOAD_W - IDLE_W) / RUNS_PER_S <= found.high
    assert 0.91 <= covered / 400 <= 0.98
    assert energy_above_idle([1.0], [2.0, 2.0], 1, inferences=1, meter="a meter") is None
    exact = energy_above_idle([1.0, 1.0], [3.0, 3.0], 4, inferences=1, meter="a meter")
    assert (exact.low, exact.joules, exact.high) == (0.5, 0.5, 0.5)


def test_words() -> None:
    found = Energy(
        joules=0.0123, low=0.0118, high=0.0129, load_watts=3, idle_watts=1, inferences=1, meter="x", coarse=True
    )
    assert energy(found) == "12.3 mJ (11.8 to 12.9, coarse)"
    assert energy(found.model_copy(update={"joules": 2.5, "coarse": False})).startswith("2.5 J")
    assert energy(found.model_copy(update={"joules": -4e-6})).startswith("-4 µJ")
    record = sustained("current").model_copy(update={"energy": found})
    assert load(record) == (
        "25.0 ms at the start, 26.0 ms after 2 minutes of load (+4.0%); 30.0 to 32.0 °C, thermal status 'light'; battery 80 to 78 %; "
        "12.3 mJ (11.8 to 12.9, coarse) an inference"
    )
    assert load(record.model_copy(update={"states": (), "energy": None})).endswith("(+4.0%)")
