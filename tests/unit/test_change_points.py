"""Shifts of a level are found where they are, and noise has none."""

import numpy as np
import pytest
from scipy.stats import binom

from tflitekit.core.change_points import ALPHA, FEWEST, find_shifts, likeness_of_neighbours

SERIES = 400
DISTRIBUTIONS = {
    "normal": lambda g, n: g.standard_normal(n),
    "outliers": lambda g, n: g.standard_t(2, n),
    "skewed": lambda g, n: g.lognormal(0, 1, n),
    "few values": lambda g, n: g.integers(0, 3, n).astype(float),
}


@pytest.mark.parametrize("kind", DISTRIBUTIONS)
@pytest.mark.parametrize("n", [FEWEST, 25])
def test_noise_shows_a_shift_in_one_series_of_twenty_at_most(kind, n):
    generator = np.random.default_rng(n)
    alarms = sum(bool(find_shifts(DISTRIBUTIONS[kind](generator, n), seed=s)) for s in range(SERIES))
    # as many as of 400 tests at a level of 5 % in all but one of a thousand repetitions
    assert alarms <= binom.ppf(0.999, SERIES, ALPHA)


def test_a_shift_is_found_with_its_place_and_its_size():
    generator = np.random.default_rng(1)
    sure = covered = 0
    for seed in range(100):
        values = generator.standard_normal(30)
        values[18:] += 3
        found = find_shifts(values, seed=seed)
        sure += len(found) == 1
        covered += any(s.earliest <= 18 <= s.latest and abs(s.value - 3) <= s.half for s in found)
    assert sure >= 85  # a second one is a false alarm of one of the two sides
    assert covered >= 75  # places and sizes are chosen by the same data, so that both intervals are a little narrow


def test_several_shifts_are_found():
    values = np.r_[np.zeros(15), np.full(15, 5.0), np.full(15, 2.0)] + np.random.default_rng(4).normal(0, 0.3, 45)
    assert [shift.at for shift in find_shifts(values)] == [15, 30]


def test_an_exact_series_has_no_uncertainty():
    (found,) = find_shifts(np.r_[np.full(10, 4.0), np.full(6, 5.0)])
    assert (found.at, found.earliest, found.latest, found.value, found.half) == (10, 10, 10, 1.0, 0.0)


def test_one_outlier_is_no_shift():
    values = np.random.default_rng(3).normal(0, 1, 40)
    values[-1] = 50
    assert find_shifts(values) == []


@pytest.mark.parametrize("n", [0, 1, 2, 5, FEWEST - 1])
def test_few_values_tell_nothing(n):
    assert find_shifts(np.r_[np.zeros(n - n // 2), np.ones(n // 2)]) == []


def test_constant_values_have_no_shift():
    assert find_shifts(np.full(50, 0.1)) == []


def test_neighbours_that_are_alike_are_told():
    generator = np.random.default_rng(0)
    told = [likeness_of_neighbours(np.r_[generator.standard_normal(20), generator.standard_normal(20) + 5], [20]) for _ in range(SERIES)]  # fmt: skip
    # one side of a test at a level of 5 %, in all but one of a thousand repetitions
    assert sum(found is not None for found in told) <= binom.ppf(0.999, SERIES, ALPHA / 2)
    alike = generator.standard_normal(100)
    for number in range(1, 100):
        alike[number] += 0.6 * alike[number - 1]
    assert likeness_of_neighbours(alike) == pytest.approx(0.6, abs=0.2)
    assert likeness_of_neighbours(np.full(20, 3.0)) is None
