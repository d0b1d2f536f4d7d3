import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmea_jax.nn import bags as bags_module
from mmea_jax.nn.bags import BagEncoder, DenseEncoder, SparseRows, capacity_for

WIDTH, DIM = 11, 4
rows_times_matrix = jax.jit(bags_module.rows_times_matrix)


@jax.jit
def gradient_by_matrix(rows, entities, matrix, cotangent):
    return jax.grad(lambda w: jnp.sum(rows_times_matrix(rows, entities, w) * cotangent))(matrix)


def random_bags(seed=0, rows=20, fill=0.25):
    """A dense matrix with empty rows and an unused column."""
    rng = np.random.default_rng(seed)
    matrix = rng.integers(1, 5, (rows, WIDTH)) * (rng.random((rows, WIDTH)) < fill)
    matrix[[0, 7, rows - 1]] = 0
    matrix[:, 2] = 0
    return matrix.astype(np.float32)


def sparse(matrix, capacity=None):
    row, column = np.nonzero(matrix)
    return SparseRows(
        offsets=np.searchsorted(row, np.arange(len(matrix) + 1)).astype(np.int32),
        columns=column.astype(np.int32),
        values=matrix[row, column],
        width=matrix.shape[1],
        capacity=max(1, len(row)) if capacity is None else capacity,
    )


def kernel(seed=3):
    return np.random.default_rng(seed).standard_normal((WIDTH, DIM), np.float32)


ENTITIES = {
    "some": np.array([3, 12, 5, 18, 10]),
    "all": np.arange(20),
    "repeated": np.array([4, 4, 9, 4, 1]),
    "empty rows": np.array([0, 7, 19, 7, 0]),
    "empty between": np.array([3, 0, 0, 5, 19]),
}


@pytest.mark.parametrize("entities", ENTITIES.values(), ids=ENTITIES.keys())
def test_values_and_gradients_equal_dense(entities):
    matrix, w = random_bags(), kernel()
    bags = sparse(matrix)
    cotangent = np.random.default_rng(5).standard_normal((len(entities), DIM), np.float32)
    got = rows_times_matrix(bags, entities, w)
    np.testing.assert_allclose(got, matrix[entities] @ w, rtol=1e-5, atol=1e-5)
    gradient = gradient_by_matrix(bags, entities, w, cotangent)
    np.testing.assert_allclose(gradient, matrix[entities].T @ cotangent, rtol=1e-5, atol=1e-5)


def test_unused_capacity_changes_nothing():
    matrix, w, entities = random_bags(), kernel(), np.array([2, 0, 11, 19])
    needed = int((matrix[entities] > 0).sum())
    expected = matrix[entities] @ w
    for capacity in (needed, 4 * needed):
        got = rows_times_matrix(sparse(matrix, capacity), entities, w)
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("missing", [1, 3])
def test_overflow_is_nan_throughout(missing):
    matrix, entities = random_bags(), np.array([2, 0, 11, 5])
    bags = sparse(matrix, int((matrix[entities] > 0).sum()) - missing)
    assert np.isnan(rows_times_matrix(bags, entities, kernel())).all()


def test_padding_has_no_entries():
    matrix, w = random_bags(), kernel()
    entities = np.array([3, -1, 5, -1])
    bags = sparse(matrix, int((matrix[[3, 5]] > 0).sum()))
    rows = np.asarray(rows_times_matrix(bags, entities, w))
    gradient = gradient_by_matrix(bags, entities, w, 1.0)
    np.testing.assert_array_equal(rows[[1, 3]], 0.0)
    np.testing.assert_allclose(rows[[0, 2]], matrix[[3, 5]] @ w, rtol=1e-5)
    np.testing.assert_allclose(gradient, np.tile(matrix[[3, 5]].sum(0)[:, None], DIM), rtol=1e-6)


def test_bags_without_any_entry():
    bags = sparse(np.zeros((4, WIDTH), np.float32))
    entities = np.array([1, 3])
    np.testing.assert_array_equal(rows_times_matrix(bags, entities, kernel()), np.zeros((2, DIM)))
    np.testing.assert_array_equal(gradient_by_matrix(bags, entities, kernel(), 1.0), 0.0)


def test_traces_once_for_a_batch_size():
    traces = 0
    bags = sparse(random_bags())

    @jax.jit
    def read(bags, entities):
        nonlocal traces
        traces += 1
        return bags_module.rows_times_matrix(bags, entities, kernel())

    for entities in ([1, 2, 3], [0, 7, 19], [5, 5, 5]):
        read(bags, np.array(entities))
    assert traces == 1


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=12),
    rows=st.integers(0, 14),
    data=st.data(),
)
def test_capacity_is_the_largest_sum_of_distinct_rows(counts, rows, data):
    offsets = np.concatenate([[0], np.cumsum(counts)])
    assert capacity_for(offsets, rows) == max(1, sum(sorted(counts)[::-1][:rows]))
    among = data.draw(st.lists(st.sampled_from(range(len(counts))), unique=True))
    expected = max(1, sum(sorted(counts[i] for i in among)[::-1][:rows]))
    assert capacity_for(offsets, rows, np.array(among, int)) == expected


def test_bag_encoder_is_affine():
    matrix, entities = random_bags(), np.array([4, 0, 13, 4])
    encoder = BagEncoder(DIM)
    params = jax.jit(encoder.init)(jax.random.key(0), sparse(matrix), entities)["params"]
    assert jax.tree.map(jnp.shape, params) == {"kernel": (WIDTH, DIM), "bias": (DIM,)}
    np.testing.assert_array_equal(params["bias"], 0.0)
    params = {**params, "bias": jnp.arange(DIM, dtype=jnp.float32)}
    out = jax.jit(encoder.apply)({"params": params}, sparse(matrix), entities)
    np.testing.assert_allclose(
        out, matrix[entities] @ params["kernel"] + params["bias"], rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(out[1], params["bias"])


def test_dense_encoder_is_affine():
    features = np.random.default_rng(0).standard_normal((9, 5), np.float32)
    entities = np.array([8, 1, 1])
    encoder = DenseEncoder(DIM)
    params = jax.jit(encoder.init)(jax.random.key(0), features, entities)["params"]
    (layer,) = params.values()
    out = jax.jit(encoder.apply)({"params": params}, features, entities)
    np.testing.assert_allclose(
        out, features[entities] @ layer["kernel"] + layer["bias"], rtol=1e-5, atol=1e-6
    )
