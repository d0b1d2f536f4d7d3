"""Scores that are computed once and kept: what is visited more than once is then multiplied once."""

import dataclasses

import jax
import jax.numpy as jnp

from mmea_jax import partition
from mmea_jax.matching import similarity

# Scores that may be kept: 900 MB of them, as all links of DBP15K have. Each look at them would otherwise
# multiply anew, ten times in an evaluation.
MAX_HELD_SCORES = 15_000 * 15_000


def held_block(left: jax.Array, right: jax.Array) -> jax.Array:
    """Rows of scores that are already there; ``right`` only says how many they are."""
    return left


def held(scorer: similarity.Scorer) -> similarity.Scorer:
    """``scorer`` with its scores kept, for ``4 n m`` bytes, or itself.

    Itself where there are more than `MAX_HELD_SCORES`, where they are kept already, and where several
    devices share the rows, each of which then computes its own.
    """
    n, m = scorer.shape
    if n * m > MAX_HELD_SCORES or partition.parts() > 1 or _are_held(scorer.block):
        return scorer
    # What is not finite is found by whoever visits them.
    scores, _ = _all_scores(scorer.masked(None, None))
    # Blocks that leave no rest need no copy of the scores with rows of padding.
    most = scorer.rows_per_block()
    rows = next((own for own in range(most, most // 2, -1) if n % own == 0), most)
    return dataclasses.replace(scorer, left=scores, right=jnp.zeros(m), block=held_block, block_rows=rows)


def _are_held(block: similarity.BlockFunction) -> bool:
    while isinstance(block, similarity.ShiftedBlock | similarity.SupportedBlock):
        block = block.inner
    return block is held_block


def all_scores(scorer: similarity.Scorer) -> tuple[jax.Array, jax.Array]:
    """float32[n, m], and whether all are finite; call it under ``jit``."""
    scores = jnp.zeros((similarity.padded_rows(scorer), scorer.shape[1]))
    put = lambda kept, block: similarity.put_rows(kept, block, block.scores)  # noqa: E731
    scores, finite = similarity.sweep(scorer, scores, put)
    return scores[: scorer.shape[0]], finite


_all_scores = jax.jit(all_scores)
