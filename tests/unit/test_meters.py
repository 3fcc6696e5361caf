"""Energy meters and what is derived from them, on trees that were written by hand after the kernel's documentation: no meter was read."""

import os
from pathlib import Path

import pytest

from tflitekit.latency.energy import energy_above_idle
from tflitekit.latency.lints import lint_board
from tflitekit.latency.sustained import metered
from tflitekit.results import Conditions, DeviceState, Latency
from tflitekit.targets import EnergyReading
from tflitekit.targets.board.state import board_state, cpu_name
from tflitekit.targets.worker.meters import Meters

TREES = Path(__file__).parents[1] / "data" / "meters"
RAPL = "RAPL (processor packages and memory)"


@pytest.fixture
def tree(tmp_path):
    """A folder with both trees, which no file system of Windows could hold in the repository: names have colons."""
    for record in TREES.glob("*.txt"):
        for line in record.read_text().splitlines():
            name, _, content = line.partition(" = ")
            path = tmp_path / record.stem / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{content}\n")
    return tmp_path


def test_packages_and_memory_count_and_start_over(tree):
    """Parts of a package, the platform as a whole, and the same package once more do not count."""
    meters, zones = Meters(tree / "rapl"), tree / "rapl" / "sys" / "class" / "powercap"
    before = meters.read()
    assert list(before) == [RAPL]
    (zones / "intel-rapl:0" / "energy_uj").write_text("1000000\n")  # behind its range: it was full
    (zones / "intel-rapl:0:1" / "energy_uj").write_text("1500000\n")
    (zones / "intel-rapl:0:0" / "energy_uj").write_text("900000000\n")
    assert meters.read()[RAPL] - before[RAPL] == pytest.approx(1.0 + 0.5)
    (zones / "intel-rapl:0" / "energy_uj").write_text("0\n")
    assert meters.read()[RAPL] - before[RAPL] == pytest.approx(262143.32885 + 0.5)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_meter_that_only_root_may_read_is_named(tree):
    zone = tree / "rapl" / "sys" / "class" / "powercap" / "intel-rapl:0" / "energy_uj"
    zone.chmod(0)
    assert Meters(tree / "rapl").locked == [str(zone)]


def test_powers_are_added_up_and_counters_read(tree):
    meters = Meters(tree / "board")
    for moment in (100.0, 100.5, 102.0):
        meters.add_up(moment)
    found = meters.read()
    assert found.pop("energy_meter socket") == pytest.approx(123)
    assert found == pytest.approx({"ina226 power1": 4.5 * 2, "ina3221 VDD_CPU": 1.5 * 2, "ina3221 VDD_SOC": 0.4 * 2})
    assert Meters(tree / "nothing").read() == {}


def test_two_chips_of_one_kind_are_two_meters(tree):
    second = tree / "board" / "sys" / "class" / "hwmon" / "hwmon5"
    second.mkdir()
    for name, content in (("name", "ina226"), ("power1_input", "9000000")):
        (second / name).write_text(f"{content}\n")
    meters = Meters(tree / "board")
    for moment in (0.0, 1.0):
        meters.add_up(moment)
    found = meters.read()
    assert (found["ina226 power1"], found["ina226 power1 of hwmon5"]) == pytest.approx((4.5, 9.0))


def readings(watts, start=0.0, step=0.5, **others):
    found, joules, now = [EnergyReading(time_s=start, joules={"all": 0.0, **dict.fromkeys(others, 0.0)})], 0.0, start
    for value in watts:
        joules, now = joules + value * step, now + step
        rails = {name: share * joules for name, share in others.items()}
        found.append(EnergyReading(time_s=now, joules={"all": joules, **rails}))
    return found


def test_energy_of_an_inference_is_what_is_above_idle():
    found = metered(readings([2.0, 2.2] * 10, cpu=0.5), readings([5.0, 5.2] * 20, cpu=0.9), runs=400)
    assert (found.meter, found.inferences, found.coarse) == ("all", 400, False)
    assert (found.idle_watts, found.load_watts) == (pytest.approx(2.1), pytest.approx(5.1))
    assert found.joules == pytest.approx(3.0 * 20 / 400)
    assert found.low <= found.joules <= found.high
    noisy = metered(readings([2.0, 2.6, 1.4, 2.3] * 5), readings([5.0, 6.0, 4.0, 5.5] * 10), runs=400)
    assert noisy.high - noisy.low > found.high - found.low


def test_what_cannot_be_measured_is_said():
    nothing = [EnergyReading(time_s=t, joules={}) for t in (0.0, 1.0)]
    locked = [one.model_copy(update={"locked": ("/sys/class/powercap/intel-rapl:0/energy_uj",)}) for one in nothing]
    assert "there is no meter" in metered(nothing, nothing, 5)
    assert "sudo chmod a+r /sys/class/powercap/intel-rapl:0/energy_uj" in metered(locked, nothing, 5)
    assert "too short" in metered(readings([2.0]), readings([5.0]), 5)
    assert energy_above_idle([2.0, 2.0], [3.0, 3.0], 0.0, inferences=0, meter="x") is None


# What a Raspberry Pi 4 shows.
TEXTS = {
    "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
    "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "600000\n",
    "/sys/devices/system/cpu/cpu3/cpufreq/scaling_cur_freq": "1500000\n",
    "/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "1800000\n",
    "/sys/class/thermal/thermal_zone0/temp": "81300\n",
    "/sys/class/thermal/thermal_zone1/temp": "-274000\n",
    "/proc/loadavg": "1.25 0.40 0.10 1/200 4242\n",
}


def test_a_board_says_what_its_clock_and_its_heat_are():
    found = board_state(TEXTS, "throttled=0x50005\n")
    assert (found.cpu_celsius, found.cpu_mhz, found.cpu_max_mhz, found.load) == (81.3, 1500, 1800, 1.25)
    assert found.governors == ("ondemand",)
    assert found.throttled == ("its voltage is too low", "it is throttled") == found.throttled_since_start
    assert board_state({}, None) == DeviceState()
    assert board_state({"/proc/loadavg": "?", "/sys/class/thermal/thermal_zone0/temp": "x"}, "error") == DeviceState()
    assert cpu_name("processor : 0\nmodel name : A CPU\n", None) == "A CPU"
    assert cpu_name("processor : 0\nModel\t\t: Raspberry Pi 4\n", "Raspberry Pi 4 Model B") == "Raspberry Pi 4 Model B"
    assert cpu_name("", None) is None


def latency(before, after, scale=1.0):
    return Latency(
        target="ssh:pi@board", target_kind="board", good_for=("latency",), threads=1, protocol="quick", median_ms=1.0, p90_ms=1.0,
        p99_ms=1.0, mean_ms=1.0, min_ms=1.0, init_ms=1.0, first_ms=1.0, runs=10, warmup_runs=1, runtime="r",
        conditions=Conditions(before=board_state(TEXTS, before), after=board_state(TEXTS, after)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        ("throttled=0x0", "throttled=0x4", ["throttled", "governor", "other-load"]),
        ("throttled=0x0", "throttled=0x20000", ["throttled", "governor", "other-load"]),  # in between
        ("throttled=0x20000", "throttled=0x20000", ["governor", "other-load"]),  # before it measured
        (None, None, ["governor", "other-load"]),
    ],
)
def test_a_board_that_was_held_back_casts_doubt(before, after, kinds):
    found = lint_board("ssh:pi@board", {"int8": latency(before, after)})
    assert [one.kind for one in found] == kinds
    assert all(one.message.startswith("ssh:pi@board: ") and one.advice for one in found)
    assert not lint_board("ssh:pi@board", {})
