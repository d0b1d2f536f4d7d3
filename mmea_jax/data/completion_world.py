"""The generated completion set: one graph of the latent world, some of its triples held back. No file."""

import numpy as np

from mmea_jax.data.completion import CompletionGraph
from mmea_jax.data.completion_features import name_vectors
from mmea_jax.data.options import SyntheticOptions
from mmea_jax.data.simulate import noisy_images, random_share
from mmea_jax.data.streams import stream
from mmea_jax.data.synthetic import check as check_knobs
from mmea_jax.data.synthetic import unique_names
from mmea_jax.data.synthetic_views import spelt_words
from mmea_jax.data.synthetic_world import make_world

TEST_SHARE = 0.1  # of the triples; validation triples are held out of the others
_NOISE = 1.0  # of the images, where the options leave it open; standard deviation, the latent's being 1


def generate_completion(options: SyntheticOptions, text_width: int) -> tuple[CompletionGraph, dict]:
    """A graph without validation triples, and its triples by part, as files would give them.

    What says how two graphs differ (overlap, renaming, noise of triples and names) has no meaning here;
    ``visual_missing[0]`` and ``visual_noise`` apply.

    Args:
      options: the knobs.
      text_width: width of the text features, which are made of the entities' names.

    Raises:
      InputError: a knob is out of its range.
    """
    check_knobs(options)
    n = options.entities
    world = make_world(options, n, round(options.triples_per_entity * n))
    order = stream(options.seed, "completion/test").permutation(len(world.triples))
    test = np.zeros(len(order), bool)
    test[order[: max(1, round(TEST_SHARE * len(order)))]] = True
    triples = world.triples.astype(np.int32)
    words = spelt_words(options, world)[0]
    noise = stream(options.seed, "completion/images").standard_normal(world.images.shape, np.float32)
    seen = random_share(stream(options.seed, "completion/visual"), n, 1 - options.visual_missing[0])
    strength = _NOISE if options.visual_noise is None else options.visual_noise
    graph = CompletionGraph(
        name="synthetic",
        entity_names=tuple(unique_names(words)),
        relation_names=tuple(f"relation_{r}" for r in range(options.relations)),
        train=triples[~test],
        valid=triples[:0],
        test=triples[test],
        known=np.unique(triples, axis=0),
        split=f"drawn ({TEST_SHARE:.0%} of the triples test, synthetic.seed {options.seed})",
        modalities={
            "visual": noisy_images(world.images, noise, seen, strength),
            "text": name_vectors(words, text_width),
        },
    )
    return graph, {"train": graph.train, "test": graph.test}
