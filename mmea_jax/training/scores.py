"""How two sets of embeddings are compared at inference."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import Array

from mmea_jax.errors import InputError, closest
from mmea_jax.matching import Scorer, concatenate_weighted
from mmea_jax.models.embeddings import Embeddings, Support
from mmea_jax.nn.beta import mean_statistics, natural_parameters

WEIGHED = "joint+weighed"
SCORES = ("joint", "joint+modal", "joint+importance", WEIGHED, "kl")


def check_score(how: str, has_distribution: bool = True, consensus: int = 0) -> None:
    """Refuses a way of comparison that is unknown, or that the model does not offer.

    ``kl`` has no largest score that a support could be weighed by.

    Raises:
      InputError: naming the allowed values.
    """
    allowed = SCORES if has_distribution else SCORES[:-1]
    if how not in allowed:
        raise InputError(
            f"matching.score = {how!r}{closest(how, allowed)}",
            expected=f"one of {', '.join(allowed)} for this model",
            mend="change --config.matching.score",
        )
    if how == "kl" and consensus:
        raise InputError(
            f"matching.score = 'kl' with matching.consensus = {consensus}",
            expected="consensus 0, for the divergence has no bound to weigh a support by",
            mend="add --config.matching.consensus=0, or choose another --config.matching.score",
        )


def make_scorer(left: Embeddings, right: Embeddings, how: str, left_open=None, right_open=None) -> Scorer:
    """A scorer of ``left`` against ``right``.

    Args:
      left: embeddings of ``n`` entities of KG 1.
      right: of ``m`` entities of KG 2.
      how: ``joint`` (cosine of joint embeddings), ``joint+modal`` (plus the cosines of all modalities that
        both have), ``joint+importance`` (these weighted by both entities' confidence), ``joint+weighed``
        (``joint+modal`` with the embeddings' ``weights``), or ``kl`` (``−½[KL(p‖q) + KL(q‖p)]`` of the
        Betas). Where the embeddings carry a support, it is added to all but the last.
      left_open: optional bool[n], see ``Scorer``.
      right_open: optional bool[m].
    """
    if how == "kl":
        return _kl_scorer(left, right, left_open, right_open)
    vectors = [_compared(e, how) for e in (left, right)]
    scorer = Scorer(*vectors, left_open, right_open)
    return scorer if left.support is None else supported(scorer, left.support, right.support)


def _compared(embeddings: Embeddings, how: str) -> Array:
    """Vectors float32[K, ·] whose products are the scores."""
    if how == "joint":
        return embeddings.joint
    joint, modal = side_weights(embeddings, how)
    return concatenate_weighted(joint * embeddings.joint, embeddings.ordered(), modal)


def side_weights(embeddings: Embeddings, how: str) -> tuple[float, Array]:
    """Factors of ``K`` entities' joint vectors, and of their modal vectors float32[K, M].

    What counts of a similarity is the product of both entities' factors; 0 for an absent modality.
    """
    confidence = embeddings.confidence
    if how == "joint+importance":
        return 1.0, confidence
    # Confidence is 0 exactly where, and only where, a modality is absent.
    present = (confidence > 0).astype(confidence.dtype)
    if how != WEIGHED or not embeddings.weights:
        return 1.0, present
    joint, *modal = np.sqrt(np.array(embeddings.weights, np.float32))
    return float(joint), present * jnp.array(modal)


def similarities(how: str, modalities: int) -> int:
    """How many similarities of at most 1 a comparison adds up, of entities that have all modalities."""
    return {"joint": 1, "joint+importance": 2}.get(how, 1 + modalities)


def supported(scorer: Scorer, support: Support, candidates: Support) -> Scorer:
    """The scorer plus the support of those pairs whose second entity is a candidate."""
    entities, columns = np.asarray(candidates.entities), np.asarray(support.columns)
    place = np.full(max(entities.max(initial=0), columns.max(initial=0)) + 2, -1, np.int32)
    place[entities] = np.arange(len(entities))
    # The last place, which −1 finds, stays −1.
    return scorer.supported(jnp.asarray(place[columns]), support.values)


def _kl_scorer(left: Embeddings, right: Embeddings, left_open, right_open) -> Scorer:
    # With natural parameters η and mean statistics t, KL(p‖q) + KL(q‖p) = (η_p − η_q)·(t_p − t_q): a matrix
    # product and two shifts, no [n, m, d] array.
    eta, t = zip(
        *((natural_parameters(e.distribution), mean_statistics(e.distribution)) for e in (left, right)),
        strict=True,
    )
    own = [-0.5 * jnp.sum(a * b, axis=1) for a, b in zip(eta, t, strict=True)]
    vectors = (jnp.concatenate([eta[0], t[0]], axis=1), jnp.concatenate([t[1], eta[1]], axis=1))
    return Scorer(*vectors, left_open, right_open).shifted(0.5, *own)


def matched_width(model: nn.Module, how: str) -> int:
    """Width of the vectors that a comparison multiplies; an upper bound, for the memory estimate."""
    count = len(model.modalities)
    return 2 * model.width * (count if how == "joint" else 2 * count)
