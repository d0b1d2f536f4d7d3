"""Image features drawn from a shared latent, of a strength that is calibrated rather than guessed.

Each entity has a latent vector, which linked entities share; its image is the latent plus Gaussian
noise. The noise is as strong as leaves a nearest-neighbour search by image alone with a stated Hits@1.
"""

import numpy as np

from mmea_jax.data.knowledge_graphs import Dense, KnowledgeGraphs
from mmea_jax.data.streams import stream
from mmea_jax.errors import InputError

IMAGE_ONLY_HITS = 0.25  # Hits@1, cosine, KG 1 -> KG 2, among linked pairs where both have an image
_QUERIES = 1024  # pairs that a calibration asks for; the standard error of Hits@1 is then 0.014
_BLOCK = 256  # queries compared at once
_NOISE_RANGE = (1e-2, 1e2)  # standard deviation of a component, that of the latent being 1
_BISECTIONS = 12  # leaves the noise exact to 0.3 %


def simulated_visual(kgs: KnowledgeGraphs, width: int, present: float, seed: int) -> Dense:
    """Image features for graphs that have none, Hits@1 by image alone about ``IMAGE_ONLY_HITS``.

    Linked entities see the same latent, each through noise of its own; all others have a latent of
    their own. The same seed keeps the entities of a lower ``present`` among those of a higher one.

    Args:
      kgs: N entities and L links.
      width: f, the length of a feature vector.
      present: share of all entities that get an image, in (0, 1].
      seed: non-negative.

    Returns:
      float32[N, f] features and bool[N] presence.

    Raises:
      InputError: ``width`` or ``present`` is out of range.
    """
    if width < 1:
        raise InputError(
            f"data.simulated_width={width}", expected="at least 1", mend="set --config.data.simulated_width"
        )
    if not 0 < present <= 1:
        raise InputError(
            f"data.simulated_present={present}",
            expected="a share in (0, 1]",
            mend="set --config.data.simulated_present, or --config.data.visual=none for no images",
        )
    shape = (kgs.num_entities, width)
    latent = stream(seed, "simulated/latent").standard_normal(shape, np.float32)
    latent[kgs.links[:, 1]] = latent[kgs.links[:, 0]]
    noise = stream(seed, "simulated/noise").standard_normal(shape, np.float32)
    has_image = random_share(stream(seed, "simulated/present"), kgs.num_entities, present)
    pairs = kgs.links[has_image[kgs.links].all(axis=1)]
    return noisy_images(latent, noise, has_image, calibrated_noise(latent, noise, pairs))


def random_share(rng: np.random.Generator, size: int, share: float) -> np.ndarray:
    """bool[size] with ``round(share * size)`` true, nested in ``share`` for one state of ``rng``."""
    chosen = np.zeros(size, bool)
    chosen[rng.permutation(size)[: round(share * size)]] = True
    return chosen


def noisy_images(latent: np.ndarray, noise: np.ndarray, present: np.ndarray, strength: float) -> Dense:
    """What each entity's image shows of its latent.

    Args:
      latent: float32[N, f].
      noise: float32[N, f].
      present: bool[N]; the others' rows are zero.
      strength: factor of the noise.
    """
    return Dense(_unit(latent + np.float32(strength) * noise) * present[:, None], present)


def calibrated_noise(latent: np.ndarray, noise: np.ndarray, pairs: np.ndarray) -> float:
    """The factor of ``noise`` at which Hits@1 among ``pairs`` is about ``IMAGE_ONLY_HITS``.

    The noise is the very draw that the images get, so that what is calibrated is what is delivered.
    Where no noise reaches it (a handful of pairs; latents that coincide), the nearest end of the
    searched range is the answer.

    Args:
      latent: float32[N, f], components of variance about 1.
      noise: float32[N, f], the same.
      pairs: int[P, 2], entities of which the second one of each pair is a candidate for every first one.
    """
    low, high = np.log(_NOISE_RANGE)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if _hits_at_1(latent, noise, pairs, float(np.exp(middle))) > IMAGE_ONLY_HITS:
            low = middle
        else:
            high = middle
    return float(np.exp((low + high) / 2))


def _hits_at_1(latent: np.ndarray, noise: np.ndarray, pairs: np.ndarray, strength: float) -> float:
    """Share of (at most ``_QUERIES``, evenly spaced) pairs whose images are nearest by cosine."""
    queries = np.unique(np.linspace(0, max(len(pairs) - 1, 0), _QUERIES).astype(int))[: len(pairs)]
    first, second = pairs[queries, 0], pairs[:, 1]
    views = _unit(latent[first] + np.float32(strength) * noise[first])
    candidates = _unit(latent[second] + np.float32(strength) * noise[second]).T
    hits = 0
    for start in range(0, len(queries), _BLOCK):
        nearest = np.argmax(views[start : start + _BLOCK] @ candidates, axis=1)
        hits += int(np.sum(nearest == queries[start : start + _BLOCK]))
    return hits / max(len(queries), 1)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
