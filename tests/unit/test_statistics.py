"""Intervals and paired tests against values worked out elsewhere, and properties that must always hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import stdtrit
from scipy.stats import beta

from tflitekit.accuracy.draws import bounds_of_draws, bounds_of_mean
from tflitekit.core.statistics import (
    bootstrap_bounds,
    mean_interval,
    paired_accuracy_drop,
    paired_bootstrap_increase,
    paired_mean_increase,
    percentile,
    proportion_difference,
    welch_half_width,
    wilson_interval,
)


def test_wilson_matches_published_values():
    # Newcombe (1998), 'Two-sided confidence intervals for the single proportion', table I, method 3.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson_interval(0, 0) == (0.0, 1.0)


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_contains_the_proportion(pair):
    hits, n = pair
    low, high = wilson_interval(hits, n)
    assert 0 <= low <= hits / n + 1e-12
    assert hits / n - 1e-12 <= high <= 1


def test_difference_of_independent_proportions_matches_published_values():
    # Newcombe (1998), 'Interval estimation for the difference between independent proportions', table II, method 10.
    for first, second, interval in (
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
    ):
        assert proportion_difference(first, second) == pytest.approx(interval, abs=5e-5)


PROPORTION = st.integers(0, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(PROPORTION, PROPORTION)
def test_difference_of_proportions_is_antisymmetric_and_contains_its_estimate(first, second):
    low, high = proportion_difference(first, second)
    assert (low, high) == pytest.approx(tuple(-v for v in reversed(proportion_difference(second, first))))
    if first[1] and second[1]:
        # the root of a sum of squares may be off in the last digits
        assert low - 1e-12 <= first[0] / first[1] - second[0] / second[1] <= high + 1e-12


def answers(both, lost, won, neither):
    baseline = np.array([True] * both + [True] * lost + [False] * won + [False] * neither)
    variant = np.array([True] * both + [False] * lost + [True] * won + [False] * neither)
    return baseline, variant


def test_mcnemar_is_the_exact_binomial_test():
    found = paired_accuracy_drop(*answers(80, 9, 1, 10))
    assert found.p_value == pytest.approx(2 * (1 + 10) / 2**10)  # two-sided, 10 discordant pairs
    assert found.value == pytest.approx(0.08)
    assert found.verdict.startswith("drops 8.0 ± ")


def test_identical_answers_are_no_measurable_drop_but_keep_a_width():
    found = paired_accuracy_drop(*answers(700, 0, 0, 300))
    assert found.value == 0
    assert found.low < 0 < found.high
    assert found.verdict == "no measurable drop"


def test_a_skewed_interval_is_told_by_its_bounds():
    drawn = np.concatenate([np.linspace(0.05, 0.1, 200), np.linspace(0.1, 0.3, 200)])
    worse = paired_bootstrap_increase(0.1, drawn, 50, resolution=0.01, points=True)
    assert worse.verdict.startswith("drops 10.0 points, between 5.")
    better = paired_bootstrap_increase(-0.1, -drawn, 50, resolution=0.01)
    low, high = map(float, better.verdict.removeprefix("better by 0.1000, between ").split(" and "))
    assert 0.05 < low < 0.1 < high < 0.3


def test_few_samples_are_said_to_be_few():
    assert paired_accuracy_drop(*answers(8, 1, 0, 1)).verdict.startswith("too few samples to tell (drops 10.0 ± ")
    assert "(gains 10.0 ± " in paired_accuracy_drop(*answers(8, 0, 1, 1)).verdict
    assert "(0.0 ± " in paired_accuracy_drop(*answers(8, 1, 1, 0)).verdict


def test_gain_is_called_a_gain():
    assert paired_accuracy_drop(*answers(500, 2, 40, 458)).verdict.startswith("gains 3.8")


@given(*[st.integers(0, 60)] * 4)
def test_swapping_sides_mirrors_the_difference(both, lost, won, neither):
    one = paired_accuracy_drop(*answers(both, lost, won, neither))
    two = paired_accuracy_drop(*answers(both, won, lost, neither))
    assert one.value == pytest.approx(-two.value)
    assert (one.low, one.high) == pytest.approx((-two.high, -two.low))
    assert one.p_value == pytest.approx(two.p_value)
    assert one.low <= one.value <= one.high


def test_paired_mean_sees_a_small_constant_loss_under_large_spread():
    generator = np.random.default_rng(0)
    baseline = generator.exponential(10, 400)
    found = paired_mean_increase(baseline, baseline + generator.normal(0.5, 0.2, 400))
    assert found.low < 0.5 < found.high
    assert found.verdict.startswith("worse by 0.4961 ± 0.0195")
    assert paired_mean_increase(baseline, baseline).verdict == "no measurable difference"


def test_mean_interval_and_percentile():
    assert mean_interval([1.0, 2.0, 3.0, 4.0]) == pytest.approx((0.4457, 4.5543), abs=1e-4)
    assert percentile([1, 2, 3, 4], 50) == 2.5


def test_a_single_sample_has_no_bootstrap_interval():
    assert bootstrap_bounds(np.full(400, 0.5), 1) == (-np.inf, np.inf)
    assert bootstrap_bounds(np.full(400, 0.5), 2) == (0.5, 0.5)


def test_samples_that_are_all_alike_are_not_certain():
    low, high = bounds_of_mean(np.ones(120), share=True)
    assert high == 1 and low == pytest.approx(beta.ppf(0.025, 120, 1), abs=1e-9)
    assert bounds_of_mean(np.zeros(120), share=True) == pytest.approx((0, 1 - low))
    assert bounds_of_mean(np.full(120, 0.5), share=True) == bounds_of_mean(np.ones(120)) == (-np.inf, np.inf)
    assert bounds_of_draws(np.ones(400), 120) == (-np.inf, np.inf)
    assert bounds_of_draws(np.array([0.5, 1.0] * 200), 120) == (0.5, 1.0)
    assert bounds_of_mean([0.0, 1.0], share=True) == mean_interval([0.0, 1.0])


@pytest.mark.parametrize("degrees", [1, 1.4, 2, 7.5, 60, 9e4, 1.1e5, 1e9])
def test_welch_has_students_quantile(degrees):
    assert welch_half_width([(1.0, degrees)]) == pytest.approx(stdtrit(degrees, 0.975), rel=1e-8)
