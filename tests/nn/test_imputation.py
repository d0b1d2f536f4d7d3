import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.losses.imputation import code_loss, squared_error
from mmea_jax.nn.imputation import Imputation

# Published names: the auto-encoder of the modality itself, that of the other one with structure, its map.
PUBLISHED = {"attribute": ("a_vae", "ir_vae", "fc_map_1"), "visual": ("i_vae", "ar_vae", "fc_map_2")}
LAYERS = {
    "encoder.0": "encoder_0",
    "encoder.2": "encoder_1",
    "fc_mu": "mean",
    "fc_logvar": "log_variance",
    "decoder.0": "decoder_0",
    "decoder.2": "decoder_1",
    "fc_output": "output",
}


@pytest.fixture(scope="module")
def known(golden):
    with np.load(golden / "tmea.npz") as arrays:
        return dict(arrays)


def layer(known, prefix: str) -> dict:
    return {"kernel": known[f"param/{prefix}.weight"], "bias": known[f"param/{prefix}.bias"]}


def published_params(known, modality: str) -> dict:
    own, others, join = PUBLISHED[modality]
    both = {"own": own, "others": others}
    params = {k: {ours: layer(known, f"{v}.{its}") for its, ours in LAYERS.items()} for k, v in both.items()}
    return {"params": params | {"join": layer(known, join)}}


@pytest.fixture(scope="module")
def imputed(known):
    """What both modalities' auto-encoders make of the stored vectors and noise."""
    found = {}
    for modality, other in (("attribute", "visual"), ("visual", "attribute")):
        noise = np.stack([known[f"noise/{name}"] for name in PUBLISHED[modality][:2]])
        sources = [known[other], known["relational"]]
        found[modality] = jax.jit(Imputation(100).apply)(
            published_params(known, modality), known[modality], sources, noise
        )
    return found


@pytest.mark.parametrize("modality", PUBLISHED)
def test_the_published_imputed_vectors(known, imputed, modality):
    has = known[f"{modality}_mask"].astype(bool)[:, None]
    assert 0 < has.sum() < len(has)
    completed = np.where(has, known[modality], imputed[modality].vector)
    np.testing.assert_allclose(completed, known[f"{modality}_completed"], rtol=1e-5, atol=2e-6)


def test_the_published_loss(known, imputed):
    """It sums the divergence over entities: that is the mean, weighed by their number."""
    rows = (known["attribute_mask"] & known["visual_mask"]).astype(bool)

    @jax.jit
    def loss(imputed, rows):
        prior = jnp.sum(rows).astype(jnp.float32)
        total = 0.0
        for one in imputed.values():
            for code in (one.own, one.others):
                total += code_loss(code.given, code.decoded, code.mean, code.log_variance, rows, prior)
            total += 0.01 * squared_error(one.own.sampled, one.others.sampled, rows)
        return total

    np.testing.assert_allclose(loss(imputed, rows), known["imputation_loss"], rtol=1e-5)


def test_without_noise_the_code_is_its_mean(known, imputed):
    params = published_params(known, "visual")
    sources = [known["attribute"], known["relational"]]
    found = jax.jit(Imputation(100).apply)(params, known["visual"], sources)
    for own in (found.own, found.others):
        np.testing.assert_array_equal(own.sampled, own.mean)
    # Noise changes the code that is decoded, not its parameters.
    np.testing.assert_allclose(found.own.mean, imputed["visual"].own.mean, rtol=1e-5, atol=1e-6)
    assert np.abs(found.vector - imputed["visual"].vector).max() > 0.1


def test_what_comes_in_carries_no_gradient_and_the_rest_does(known):
    params = published_params(known, "visual")

    def total(params, vector, sources):
        found = Imputation(100).apply(params, vector, sources)
        return jnp.sum(found.vector**2) + jnp.sum(found.own.decoded**2)

    given = (params, known["visual"], [known["attribute"], known["relational"]])
    of_params, *of_inputs = jax.jit(jax.grad(total, argnums=(0, 1, 2)))(*given)
    assert all(np.all(leaf == 0) for leaf in jax.tree.leaves(of_inputs))
    moved = {path[-2].key for path, leaf in jax.tree_util.tree_leaves_with_path(of_params) if np.any(leaf)}
    assert {"join", "encoder_0", "mean", "decoder_0", "output"} <= moved
