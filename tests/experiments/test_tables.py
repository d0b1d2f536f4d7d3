import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from experiments.tables import holm, marked, paired_tests, verdict_line


def test_best_is_bold_and_second_best_in_italics():
    column = {"a": (0.7, 0.01, 3), "b": (0.9, 0.02, 3), "c": (0.8, None, 1), "d": (0.1, 0.0, 2)}
    assert marked(column) == {
        "a": "0.700 ± 0.010",
        "b": "**0.900 ± 0.020**",
        "c": "*0.800*",
        "d": "0.100 ± 0.000",
    }


def test_means_that_print_alike_share_a_mark_and_a_lone_row_is_best():
    assert marked({"a": (0.70001, None, 1), "b": (0.7, None, 1), "c": (0.2, None, 1)}) == {
        "a": "**0.700**",
        "b": "**0.700**",
        "c": "*0.200*",
    }
    assert marked({"a": (0.5, None, 1)}) == {"a": "**0.500**"}


def test_paired_tests_are_those_of_scipy_over_common_seeds():
    rng = np.random.default_rng(0)
    base = rng.uniform(0.4, 0.6, 5)
    values = {
        "best": dict(enumerate(base + 0.1)),
        "near": dict(enumerate(base + 0.09 + 0.02 * rng.standard_normal(5))),
        "far": {0: base[0], 1: base[1] + 0.01, 2: base[2] - 0.01, 7: 0.3},
    }
    found = {row[1]: row for row in paired_tests(values)}
    assert {row[0] for row in found.values()} == {"best"}
    assert found["near"][2] == 5
    assert found["far"][2] == 3  # seed 7 has no partner
    raw = [
        stats.ttest_rel([values["best"][s] for s in seeds], [values[other][s] for s in seeds]).pvalue
        for other, seeds in (("near", range(5)), ("far", range(3)))
    ]
    np.testing.assert_allclose([found["near"][4], found["far"][4]], holm(raw), rtol=1e-9)


@pytest.mark.parametrize("seeds", [1, 3])
def test_where_no_test_is_possible_none_is_claimed(seeds):
    """One seed, or differences that do not vary."""
    values = {"a": {s: 0.75 for s in range(seeds)}, "b": {s: 0.5 for s in range(seeds)}}
    ((best, other, n, difference, p),) = paired_tests(values)
    assert (best, other, n) == ("a", "b", seeds)
    assert difference == pytest.approx(0.25)
    assert np.isnan(p)
    assert "no test" in verdict_line((best, other, n, difference, p))
    assert paired_tests({"a": {0: 0.5}}) == []


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.02, float("nan")]), [0.02, float("nan")])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_never_lowers_keeps_the_order_and_is_bonferroni_at_most(p_values):
    corrected = np.array(holm(p_values))
    assert (corrected >= np.array(p_values)).all()
    assert (corrected <= np.minimum(1, len(p_values) * np.array(p_values)) + 1e-12).all()
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(corrected[order]) >= 0).all()
    assert corrected.max() <= 1
