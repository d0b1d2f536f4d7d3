"""Neighbourhood consensus against a dense oracle, and on graphs where only neighbours tell."""

import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.matching import Scorer, consensus


def draw_graph(rng, entities: int, triples: int) -> np.ndarray:
    found = rng.integers(0, entities, (triples, 3))
    found[:, 1] = 0
    return found


def dense_neighbours(triples, entities) -> np.ndarray:
    """Rows of length 1 over the neighbours, each weighed by its degree to the power −0.3."""
    joined = np.zeros((entities, entities))
    for head, _, tail in triples:
        if head != tail:
            joined[head, tail] = joined[tail, head] = 1.0
    weighted = joined * np.maximum(joined.sum(1), 1.0) ** -0.3
    length = np.linalg.norm(weighted, axis=1, keepdims=True)
    return weighted / np.where(length > 0, length, 1.0)


def dense_round(scores, seeds, csls_k, scale) -> np.ndarray:
    """``Q`` by dense formulas; all pairs take part, so it holds where tables are no larger than 10."""
    open_rows = np.setdiff1d(np.arange(len(scores)), seeds[:, 0])
    open_columns = np.setdiff1d(np.arange(scores.shape[1]), seeds[:, 1])
    own = scores[np.ix_(open_rows, open_columns)]
    near_rows = -np.sort(-own, axis=1)[:, :csls_k].mean(1)
    near_columns = -np.sort(-own, axis=0)[:csls_k].mean(0)
    csls = 2 * own - near_rows[:, None] - near_columns

    def softmax(x):
        least = -np.sort(-x, axis=1)[:, min(5, x.shape[1]) - 1]
        shares = np.where(x >= least[:, None], np.exp(x / (0.05 * scale)), 0.0)
        return shares / shares.sum(1, keepdims=True)

    found = np.zeros_like(scores)
    found[np.ix_(open_rows, open_columns)] = np.sqrt(softmax(csls) * softmax(csls.T).T)
    found[tuple(seeds.T)] = 1.0
    return found


@pytest.mark.parametrize("rounds", [1, 3])
def test_equals_dense_formulas(rounds):
    rng = np.random.default_rng(rounds)
    n, m, scale, csls_k = 10, 9, 2.0, 3
    graphs = draw_graph(rng, n, 14), draw_graph(rng, m, 14)
    scores = rng.uniform(0, scale, (n, m)).astype(np.float32)
    seeds = np.array([[0, 1], [4, 3]])
    dense = [dense_neighbours(g, size) for g, size in zip(graphs, (n, m), strict=True)]
    expected = np.zeros((n, m))
    for _ in range(rounds):
        matched = dense_round(scores + expected, seeds, csls_k, scale)
        expected = 0.5 * scale * dense[0] @ matched @ dense[1].T
    sparse = tuple(
        consensus.neighbours(g, np.arange(size), size) for g, size in zip(graphs, (n, m), strict=True)
    )
    scorer = Scorer(jnp.asarray(scores), jnp.eye(m))
    found = consensus.support(scorer, sparse, seeds, rounds=rounds, scale=scale, csls_k=csls_k)
    table = np.zeros((n, m))
    for row, (columns, values) in enumerate(zip(*found, strict=True)):
        table[row, columns[columns >= 0]] = values[columns >= 0]
    assert expected.max() > 0.1
    np.testing.assert_allclose(table, expected, atol=1e-5)


def test_neighbours_alone_tell_entities_apart_that_look_alike():
    """A path whose ends are linked: scores say nothing, so only the known ends can order the rest."""
    n = 7
    path = np.array([[i, 0, i + 1] for i in range(n - 1)])
    graph = consensus.neighbours(path, np.arange(n), n)
    scorer = Scorer(jnp.zeros((n, 1)), jnp.zeros((n, 1)))
    seeds = np.array([[0, 0], [1, 1], [2, 2]])
    found = consensus.support(scorer, (graph, graph), seeds, rounds=4, scale=1.0, csls_k=3)
    best = [columns[np.argmax(values)] for columns, values in zip(*found, strict=True)]
    assert best[3:5] == [3, 4]


def test_sides_of_one_index_space_are_cut_apart():
    triples = np.array([[0, 0, 4], [4, 1, 0], [2, 0, 2], [1, 0, 3]])
    own = consensus.neighbours(triples, np.array([0, 2, 4]), 5).toarray()
    # 0 and 4 are joined twice and count once; 2 is joined to itself alone; 1 and 3 are the other side.
    np.testing.assert_allclose(own, [[0, 0, 1], [0, 0, 0], [1, 0, 0]])
