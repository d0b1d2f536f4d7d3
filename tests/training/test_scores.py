"""Comparison at inference against dense formulas."""

import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.errors import InputError
from mmea_jax.matching import topk
from mmea_jax.models.embeddings import Embeddings
from mmea_jax.nn.beta import Beta, symmetric_kl
from mmea_jax.training.scores import check_score, make_scorer, similarities

MODALITIES = ("structure", "attribute")


def draw(seed: int, rows: int) -> Embeddings:
    rng = np.random.default_rng(seed)
    unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)  # noqa: E731
    modal = {m: unit(rng.normal(size=(rows, 4))).astype(np.float32) for m in MODALITIES}
    return Embeddings(
        modal=modal,
        joint=unit(rng.normal(size=(rows, 6))).astype(np.float32),
        confidence=rng.dirichlet((1, 1), rows).astype(np.float32),
        distribution=Beta(*(rng.uniform(0.1, 3, (2, rows, 5)).astype(np.float32))),
        modalities=MODALITIES,
    )


def dense(scorer) -> np.ndarray:
    """All scores, read back from the full ranking of each row."""
    values, columns = topk(scorer, scorer.shape[1])
    scores = np.empty_like(values)
    np.put_along_axis(scores, columns, values, axis=1)
    return scores


def test_joint_is_the_cosine():
    left, right = draw(0, 7), draw(1, 9)
    np.testing.assert_allclose(
        dense(make_scorer(left, right, "joint")), left.joint @ right.joint.T, atol=1e-6
    )


def test_modal_part_counts_modalities_that_both_have():
    left, right = draw(0, 7), draw(1, 9)
    left.confidence[2] = (1, 0)  # without attributes
    has = (left.confidence[:, 1] > 0)[:, None]
    expected = left.joint @ right.joint.T + left.modal["structure"] @ right.modal["structure"].T
    expected = expected + has * (left.modal["attribute"] @ right.modal["attribute"].T)
    np.testing.assert_allclose(dense(make_scorer(left, right, "joint+modal")), expected, atol=1e-6)


def test_modal_part_weighs_each_modality_by_its_own_confidence():
    """The columns of the confidence are not in alphabetical order, as a jitted dictionary's keys would be."""
    left, right = draw(0, 7), draw(1, 9)
    expected = left.joint @ right.joint.T
    for k, m in enumerate(MODALITIES):
        weight = left.confidence[:, k, None] * right.confidence[:, k]
        expected = expected + weight * (left.modal[m] @ right.modal[m].T)
    np.testing.assert_allclose(dense(make_scorer(left, right, "joint+importance")), expected, atol=1e-6)


def test_weights_are_of_the_joint_similarity_and_of_each_modality():
    left, right = draw(0, 7), draw(1, 9)
    left.confidence[2] = (1, 0)  # without attributes
    equal = dense(make_scorer(left, right, "joint+modal"))
    np.testing.assert_allclose(dense(make_scorer(left, right, "joint+weighed")), equal, atol=1e-6)
    left, right = (e.replace(weights=(0.5, 2.0, 0.0)) for e in (left, right))
    expected = 0.5 * left.joint @ right.joint.T + 2 * left.modal["structure"] @ right.modal["structure"].T
    np.testing.assert_allclose(dense(make_scorer(left, right, "joint+weighed")), expected, atol=1e-6)


def test_no_comparison_exceeds_what_its_similarities_add_up_to():
    e = draw(0, 7)
    for how in ("joint", "joint+modal", "joint+importance", "joint+weighed"):
        scores = dense(make_scorer(*(e.replace(weights=(0.5, 2.0, 0.5)),) * 2, how))
        assert scores.max() <= similarities(how, 2) + 1e-5


def test_kl_is_the_negative_symmetric_divergence():
    left, right = draw(0, 7), draw(1, 9)
    p, q = left.distribution, right.distribution
    expected = -symmetric_kl(
        Beta(jnp.asarray(p.alpha)[:, None], jnp.asarray(p.beta)[:, None]), Beta(q.alpha[None], q.beta[None])
    )
    np.testing.assert_allclose(dense(make_scorer(left, right, "kl")), expected, rtol=1e-4, atol=1e-4)


def test_unknown_score_is_refused_with_the_closest():
    with pytest.raises(InputError, match=r"did you mean 'joint\+modal'.*--config.matching.score"):
        check_score("joint+moda")
    with pytest.raises(InputError, match=r"expected one of joint, .* for this model"):
        check_score("kl", has_distribution=False)
