import numpy as np
import pytest

from mmea_jax.matching import alignment_table
from mmea_jax.matching.similarity import Scorer

LEFT = np.array([[1, 0], [0, 1], [0.6, 0.6]], np.float32)
RIGHT = np.array([[0.9, 0], [0, 0.8], [0.1, 0.1]], np.float32)


def table(threshold=0.9, **scorer):
    scorer = Scorer(LEFT, RIGHT, **scorer)
    return alignment_table.predict(scorer, "abc", "xyz", temperature=0.1, threshold=threshold)


def test_rows_hold_best_candidate_margin_and_status():
    first, second, third = table()
    assert (first.entity1, first.entity2, first.runner_up, first.status) == ("a", "x", "z", "matched")
    assert (first.score, first.margin) == pytest.approx((0.9, 0.8))
    assert (second.entity2, second.status) == ("y", "matched")
    assert (third.entity2, third.runner_up, third.status) == ("x", "y", "no_match")


def test_probability_is_calibrated_by_the_temperature():
    weights = np.exp(LEFT @ RIGHT.T / 0.1)
    got = [row.probability for row in table()]
    np.testing.assert_allclose(got, weights.max(1) / weights.sum(1), rtol=1e-5)


def test_a_lone_candidate_has_no_runner_up():
    row = table(right_open=np.array([True, False, False]))[0]
    assert (row.runner_up, row.margin, row.probability) == ("", None, 1.0)


def test_closed_rows_are_left_out():
    assert [row.entity1 for row in table(left_open=np.array([True, False, True]))] == ["a", "c"]


def test_names_of_another_number_are_refused():
    with pytest.raises(ValueError, match="names"):
        alignment_table.predict(Scorer(LEFT, RIGHT), "ab", "xyz", temperature=1.0, threshold=0.5)


def test_tsv_has_header_and_one_line_a_row():
    lines = alignment_table.table_text(table() + alignment_table.seed_rows([("é", "ü")])).splitlines()
    assert lines[0] == "entity1\tentity2\tscore\tmargin\tprobability\tstatus\trunner_up"
    assert lines[1].split("\t")[:4] == ["a", "x", "0.9", "0.8"]
    assert lines[4] == "é\tü\t\t\t1\tseed\t"
    assert len(lines) == 5


def test_a_name_does_not_break_the_table():
    text = alignment_table.table_text(alignment_table.seed_rows([("a\tb\r\n", "c  d")]))
    assert text.split("\n")[1] == "a b  \tc  d\t\t\t1\tseed\t"
