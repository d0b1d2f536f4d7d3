"""Triple scores: published values, one meaning in three forms, and finite gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.errors import InputError
from mmea_jax.nn.scorers import SCORERS, make_scorer

N, DIM = 300, 23  # neither is a multiple of the tiles


def by_definition(name, scorer, head, relation, tail):
    """The formulas of the papers, in complex numbers where they have them."""
    if name == "transe":
        return scorer.margin - np.abs(head + relation - tail).sum(-1)
    if name == "distmult":
        return (head * relation * tail).sum(-1)

    def as_complex(x):
        real, imaginary = np.split(np.asarray(x, np.float64), 2, axis=-1)
        return real + 1j * imaginary

    if name == "complex":
        return (as_complex(head) * as_complex(relation) * as_complex(tail).conj()).sum(-1).real
    turn = np.exp(1j * np.pi * np.asarray(relation, np.float64) * scorer.dim / (scorer.margin + 2))
    return scorer.margin - np.abs(as_complex(head) * turn - as_complex(tail)).sum(-1)


@pytest.fixture(params=sorted(SCORERS))
def case(request):
    scorer = make_scorer(request.param, DIM, 6.0)
    rng = np.random.default_rng(0)
    table = rng.standard_normal((N, scorer.entity_width)).astype(np.float32)
    relations = rng.standard_normal((7, scorer.relation_width)).astype(np.float32)
    triples = rng.integers(0, (N, 7, N), (9, 3))
    return request.param, scorer, table, relations, triples


def test_three_forms_of_one_definition(case):
    name, scorer, table, relations, (h, r, t) = *case[:4], case[4].T
    expected = by_definition(name, scorer, table[h], relations[r], table[t])
    np.testing.assert_allclose(jax.jit(scorer.triples)(table[h], relations[r], table[t]), expected, atol=2e-4)
    tails = jax.jit(scorer.all_tails)(table[h], relations[r], table)
    heads = jax.jit(scorer.all_heads)(relations[r], table[t], table)
    assert tails.shape == heads.shape == (9, N)
    all_tails = by_definition(name, scorer, table[h][:, None], relations[r][:, None], table[None])
    all_heads = by_definition(name, scorer, table[None], relations[r][:, None], table[t][:, None])
    np.testing.assert_allclose(tails, all_tails, atol=2e-4)
    np.testing.assert_allclose(heads, all_heads, atol=2e-4)


@pytest.mark.parametrize("name", ["distmult", "complex"])
def test_a_query_for_the_relation_gives_the_same_score(name):
    scorer, rng = make_scorer(name, DIM, 6.0), np.random.default_rng(0)
    head, tail = rng.standard_normal((2, 9, scorer.entity_width)).astype(np.float32)
    relation = rng.standard_normal((9, scorer.relation_width)).astype(np.float32)
    found = scorer.compare(scorer.relation_query(head, tail), relation)
    np.testing.assert_allclose(found, scorer.triples(head, relation, tail), rtol=1e-5, atol=1e-5)


def test_gradients_equal_finite_differences_and_stay_finite_where_vectors_meet(case):
    _, scorer, table, relations, (h, r, t) = *case[:4], case[4].T

    @jax.jit
    def total(head, relation, tail):
        return jnp.sum(scorer.triples(head, relation, tail))

    point = [jnp.asarray(x) for x in (table[h], relations[r], table[t])]
    gradients = jax.jit(jax.grad(total, argnums=(0, 1, 2)))(*point)
    rng = np.random.default_rng(1)
    for k, gradient in enumerate(gradients):
        step = 1e-3 * rng.standard_normal(gradient.shape).astype(np.float32)
        ends = [total(*[x + s * step if i == k else x for i, x in enumerate(point)]) for s in (-1, 1)]
        slope = float(jnp.sum(gradient * step)) * 2
        assert float(ends[1] - ends[0]) == pytest.approx(slope, rel=0.05, abs=5e-3)
    met = jnp.zeros_like(point[0])
    for gradient in jax.jit(jax.grad(total, argnums=(0, 1, 2)))(met, jnp.zeros_like(point[1]), met):
        assert np.isfinite(gradient).all()


def test_the_blocked_and_the_dense_distance_agree(case, monkeypatch):
    _, scorer, table, relations, (h, r, _) = *case[:4], case[4].T
    blocked = jax.jit(lambda *x: scorer.all_tails(*x))(table[h], relations[r], table)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    dense = jax.jit(lambda *x: scorer.all_tails(*x))(table[h], relations[r], table)
    np.testing.assert_allclose(blocked, dense, atol=1e-4)


def test_published_rotate_scores(golden):
    stored = np.load(golden / "adamf.npz")
    scorer = make_scorer("rotate", int(stored["dim"]), float(stored["margin"]))
    joint, relations = stored["joint"], stored["param/rel_embeddings.weight"]
    h, r, t = stored["triples"].T
    forms = {
        "score": scorer.triples(joint[h], relations[r], joint[t]),
        "score_all_tails": scorer.all_tails(joint[h[:1]], relations[r[:1]], joint)[0],
        "score_all_heads": scorer.all_heads(relations[r[:1]], joint[t[:1]], joint)[0],
    }
    for name, found in forms.items():
        np.testing.assert_allclose(found, stored[name], rtol=1e-5, atol=1e-5)
    assert scorer.span == pytest.approx(stored["param/rel_embedding_range"].item())
    assert scorer.entity_span == pytest.approx(stored["param/ent_embedding_range"].item())


def test_an_unknown_scorer_is_named_with_the_closest():
    with pytest.raises(InputError, match=r"'rotat' \(did you mean 'rotate'\?\)"):
        make_scorer("rotat", 4, 1.0)
