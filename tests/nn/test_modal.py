import jax
import numpy as np
import pytest

from mmea_jax.errors import InputError
from mmea_jax.nn.attention import DiagonalAttention, GraphConvolution
from mmea_jax.nn.bags import SparseRows
from mmea_jax.nn.graph import make_graph
from mmea_jax.nn.inputs import Inputs
from mmea_jax.nn.modal import ModalEncoder

N, WIDTH = 12, 6
MODALITIES = ("structure", "relation", "visual")


def encode(module, inputs, entities, train=False):
    return module(inputs, entities, module.structure(inputs, train))


@pytest.fixture(scope="module")
def inputs():
    """A ring, a bag of two entries an entity, and images of the even entities."""
    pairs = np.array([(i, (i + k) % N) for i in range(N) for k in (-1, 0, 1)])
    rng = np.random.default_rng(0)
    images = rng.standard_normal((N, 9), np.float32)
    even = np.arange(N) % 2 == 0
    inputs = Inputs(
        graph=make_graph(*np.unique(pairs, axis=0).T, N),
        bags={
            "relation": SparseRows(
                offsets=np.arange(0, 2 * N + 1, 2),
                columns=rng.integers(0, 5, 2 * N),
                values=np.ones(2 * N, np.float32),
                width=5,
                capacity=2 * N,
            )
        },
        dense={"visual": images * even[:, None]},
        present={"relation": np.ones(N, bool), "visual": even},
    )
    return jax.device_put(inputs)


def encoder(**options):
    return ModalEncoder(MODALITIES, N, WIDTH, **options)


@pytest.fixture(scope="module")
def params(inputs):
    return jax.jit(lambda key: encoder().init(key, inputs, np.arange(N), method=encode))(jax.random.key(0))


def test_a_batch_gets_the_rows_of_the_whole(inputs, params):
    apply = jax.jit(lambda p, entities: encoder().apply(p, inputs, entities, method=encode))
    whole, some = apply(params, np.arange(N)), apply(params, np.array([7, 0, 4, 7]))
    assert set(some) == set(MODALITIES)
    for modality in MODALITIES:
        assert whole[modality].shape == (N, WIDTH)
        expected = np.asarray(whole[modality])[[7, 0, 4, 7]]
        np.testing.assert_allclose(some[modality], expected, rtol=1e-5, atol=1e-6)


def test_modalities_come_in_the_order_asked(inputs, params):
    # A dictionary that leaves a jitted function is sorted: the order is read while tracing.
    orders = []

    def note_order(p):
        vectors = encoder().apply(p, inputs, np.array([3]), method=encode)
        orders.append(tuple(vectors))
        return vectors

    jax.eval_shape(note_order, params)
    assert orders == [MODALITIES]


@pytest.mark.parametrize(
    ("name", "alone"),
    [("attention", DiagonalAttention(2, 2)), ("convolution", GraphConvolution((WIDTH, WIDTH)))],
)
def test_structure_is_the_encoder_on_the_entity_table(inputs, name, alone):
    module = encoder(encoder=name)
    initialise = jax.jit(lambda key: module.init(key, inputs, method=ModalEncoder.structure))
    params = initialise(jax.random.key(1))["params"]
    table = params["entities"]
    assert table.shape == (N, WIDTH)
    np.testing.assert_allclose(np.std(table), N**-0.5, rtol=0.25)
    got = jax.jit(lambda p: module.apply({"params": p}, inputs, method=ModalEncoder.structure))(params)
    inner = {"params": params["structure_encoder"]}
    np.testing.assert_allclose(got, jax.jit(alone.apply)(inner, inputs.graph, table), rtol=1e-5, atol=1e-6)


def test_only_used_encoders_have_parameters(params):
    names = {path[0].key for path, _ in jax.tree_util.tree_leaves_with_path(params["params"])}
    assert "entities" in names
    # A modality is sparse or dense, so the layers of the other kind stay empty.
    assert sum("relation" in name for name in names) == 1
    assert sum("visual" in name for name in names) == 1


def test_refuses_an_unknown_encoder(inputs):
    with pytest.raises(InputError, match="did you mean 'attention'"):
        encoder(encoder="atention").init(jax.random.key(0), inputs, method=ModalEncoder.structure)


def test_entity_dropout_hides_rows_in_training_alone(inputs, params):
    module = encoder(entity_dropout=0.5)

    def structure(train, key):
        return module.apply(
            params, inputs, train=train, rngs={"dropout": jax.random.key(key)}, method=ModalEncoder.structure
        )

    at_inference = encoder().apply(params, inputs, method=ModalEncoder.structure)
    np.testing.assert_allclose(structure(False, 0), at_inference, rtol=1e-5, atol=1e-6)
    assert not np.allclose(structure(True, 0), at_inference)
    assert not np.allclose(structure(True, 0), structure(True, 1))
    np.testing.assert_array_equal(structure(True, 1), structure(True, 1))


def test_gradients_reach_what_the_batch_needs(inputs, params):
    """The bags' and images' layers see the batch; the entity table its neighbourhood of two hops."""
    entities = np.array([4, 5])

    def total(p):
        vectors = encoder().apply(p, inputs, entities, method=encode)
        return sum((vector**2).sum() for vector in vectors.values())

    gradient = jax.jit(jax.grad(total))(params)["params"]
    hidden = np.abs(gradient["entities"]).max(1) > 0
    np.testing.assert_array_equal(np.flatnonzero(hidden), np.arange(2, 8))
    for leaf in jax.tree.leaves(gradient):
        assert np.isfinite(leaf).all()
        assert np.abs(leaf).max() > 0


def test_presence_follows_the_masks(inputs):
    present = inputs.presence(MODALITIES, np.array([0, 1, 2]))
    np.testing.assert_array_equal(present, [[True, True, True], [True, True, False], [True, True, True]])
    assert inputs.presence(("visual", "structure"), np.array([1])).tolist() == [[False, True]]
