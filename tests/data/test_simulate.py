import numpy as np
import pytest

from mmea_jax.data.knowledge_graphs import KnowledgeGraphs
from mmea_jax.data.simulate import IMAGE_ONLY_HITS, calibrated_noise, noisy_images, simulated_visual
from mmea_jax.errors import InputError


def linked_graphs(num_links, num_single):
    """Graphs without triples; the last ``num_single`` entities of each side have no link."""
    n = num_links + num_single
    order = np.random.default_rng(0).permutation(n)[:num_links]
    return KnowledgeGraphs(
        name="linked",
        entity_ids=np.arange(2 * n),
        entity_names=tuple(str(i) for i in range(2 * n)),
        words=tuple(str(i) for i in range(2 * n)),
        side=np.repeat(np.array([0, 1], np.int8), n),
        triples=np.zeros((0, 3), np.int32),
        relation_names=(),
        links=np.stack([np.arange(num_links), n + order], axis=1).astype(np.int32),
        modalities={},
    )


def hits_at_1(features, links, reverse=False):
    one, two = features[links[:, 0]], features[links[:, 1]]
    one, two = (two, one) if reverse else (one, two)
    blocks = [np.argmax(one[i : i + 500] @ two.T, axis=1) for i in range(0, len(one), 500)]
    return np.mean(np.concatenate(blocks) == np.arange(len(links)))


@pytest.fixture(scope="module")
def graphs():
    return linked_graphs(800, 200)


def test_rows_are_unit_vectors_of_the_present(graphs):
    visual = simulated_visual(graphs, 24, 0.6, seed=3)
    assert visual.features.shape == (2000, 24)
    assert visual.features.dtype == np.float32
    assert visual.present.sum() == 1200
    np.testing.assert_allclose(np.linalg.norm(visual.features, axis=1), visual.present, atol=1e-6)


def test_the_same_seed_gives_the_same_images(graphs):
    one, two, other = (simulated_visual(graphs, 8, 0.5, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.features, two.features)
    np.testing.assert_array_equal(one.present, two.present)
    assert not np.array_equal(one.present, other.present)


def test_fewer_images_are_a_subset(graphs):
    few, many = (simulated_visual(graphs, 8, share, seed=1).present for share in (0.2, 0.7))
    assert np.all(many[few])


def test_all_may_have_an_image(graphs):
    assert simulated_visual(graphs, 8, 1.0, seed=1).present.all()


@pytest.mark.parametrize("width", [16, 64])
def test_strength_is_calibrated(graphs, width):
    visual = simulated_visual(graphs, width, 1.0, seed=5)
    # 800 pairs, all of which calibrate: bisection leaves one or two hits.
    assert hits_at_1(visual.features, graphs.links) == pytest.approx(IMAGE_ONLY_HITS, abs=0.01)
    # Not calibrated in this direction: three standard errors.
    assert hits_at_1(visual.features, graphs.links, reverse=True) == pytest.approx(IMAGE_ONLY_HITS, abs=0.05)


def test_strength_is_calibrated_on_a_sample_of_many_pairs():
    graphs = linked_graphs(15_000, 4_000)
    visual = simulated_visual(graphs, 128, 0.5, seed=0)
    links = graphs.links[visual.present[graphs.links].all(axis=1)]
    # 1,024 of some 3,800 pairs calibrate: three standard errors.
    assert hits_at_1(visual.features, links) == pytest.approx(IMAGE_ONLY_HITS, abs=0.045)


def test_unlinked_entities_are_their_own():
    graphs = linked_graphs(2, 300)
    visual = simulated_visual(graphs, 64, 1.0, seed=0)
    single = [visual.features[2:302], visual.features[304:]]
    # Cosines of independent vectors of 64 components have a standard deviation of 1/8.
    assert np.abs(np.sum(single[0] * single[1], axis=1)).mean() == pytest.approx(0.1, abs=0.03)


def test_without_pairs_the_noise_is_finite():
    graphs = linked_graphs(0, 5)
    assert np.isfinite(simulated_visual(graphs, 4, 1.0, seed=0).features).all()


def test_latents_that_coincide_get_the_least_noise():
    latent, noise = np.ones((20, 4), np.float32), np.random.default_rng(0).standard_normal((20, 4))
    pairs = np.arange(20).reshape(10, 2)
    assert calibrated_noise(latent, noise.astype(np.float32), pairs) < 0.02


def test_no_noise_shows_the_latent():
    latent = np.array([[3.0, 4.0], [0.0, 2.0]], np.float32)
    images = noisy_images(latent, np.ones_like(latent), np.array([True, False]), 0.0)
    np.testing.assert_allclose(images.features, [[0.6, 0.8], [0.0, 0.0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("width", "present", "knob"),
    [(0, 0.5, "width"), (8, 0.0, "present"), (8, 1.1, "present"), (8, float("nan"), "present")],
)
def test_what_is_out_of_range_is_named(graphs, width, present, knob):
    with pytest.raises(InputError, match=rf"found data\.simulated_{knob}="):
        simulated_visual(graphs, width, present, seed=0)
