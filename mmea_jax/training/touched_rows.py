"""Updates of those rows of the entity table that a step on a sampled graph reads.

Of a million entities a step on sampled neighbourhoods reads a few tens of thousands. Gradient, optimizer and
its state are made for these rows alone; all others stay as they are, their moments too. That is Adam as for
sparse gradients ("lazy"): a row's moments and its weight decay advance with the steps that read it.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from mmea_jax.nn.inputs import Inputs
from mmea_jax.nn.sampled_graph import SampledGraph, Tree, grow

# Folded into a step's key for its draw of neighbours.
_DRAW = (1 << 31) - 4
# Where the rows end that a step reads; no table is so long.
_NOWHERE = (1 << 31) - 1


@struct.dataclass
class Touched:
    """What a step reads of the entity table.

    Attributes:
      rows: int32[S], distinct, ascending, then ``_NOWHERE``.
      tree: the sample, whose entities are positions in ``rows``.
    """

    rows: Array
    tree: Tree

    def narrowed(self, tree: Any) -> Any:
        """``tree`` with these rows of its entity tables: parameters, moments, or what is held."""
        return _of_tables(lambda x: x.at[self.rows].get(mode="clip"), tree)

    def widened(self, whole: Any, part: Any) -> Any:
        """``part``, a narrowed ``whole`` after a step, with all rows of the entity tables again."""
        return _of_tables(lambda new, old: old.at[self.rows].set(new, mode="drop"), part, whole)


def touched(graph: SampledGraph, key: Array, pairs: Array, depth: int) -> Touched:
    """Draws the neighbourhoods of ``pairs`` int32[B, 2] to ``depth`` layers; ``key`` is the step's."""
    tree = grow(graph, jax.random.fold_in(key, _DRAW), pairs.T.reshape(-1), depth)
    last, levels = tree.levels[-1], []
    size = min(last.size, len(graph.offsets) - 1)
    # Whoever is drawn from is the first of its children, so that the last level has everybody.
    rows, position = jnp.unique(last, size=size, fill_value=_NOWHERE, return_inverse=True)
    position = position.reshape(last.shape).astype(jnp.int32)
    for _ in tree.levels:
        levels.insert(0, position)
        position = position[..., 0]
    return Touched(rows.astype(jnp.int32), Tree(tuple(levels), tree.real))


def on_touched_rows(
    step: Callable[..., tuple[Any, dict[str, Array]]],
    model: nn.Module,
    state: Any,
    inputs: Inputs,
    pairs: Array,
    key: Array,
) -> tuple[Any, dict[str, Array]]:
    """A training step on a sampled graph.

    Args:
      step: ``(model, state, inputs) → (state, metrics)``, which goes through every row of what it is given.
      model: has ``layers`` and ``num_entities``.
      state: with ``step``; its leaves of the name ``entities`` have a row an entity.
      inputs: with a ``SampledGraph``.
      pairs: int32[B, 2]; rows of −1 are padding.
      key: the run's.
    """
    found = touched(inputs.graph, jax.random.fold_in(key, state.step), pairs, model.layers)
    own = model.clone(num_entities=len(found.rows))
    part, metrics = step(own, found.narrowed(state), inputs.replace(graph=found.tree))
    return found.widened(state, part), metrics


def _of_tables(function: Callable[..., Array], tree: Any, *others: Any) -> Any:
    def one(path, x, *rest):
        # What a stage holds fast is kept by whole paths.
        name = str(getattr(path[-1], "key", "")).rpartition("/")[2] if path else ""
        return function(x, *rest) if name == "entities" else x

    return jax.tree_util.tree_map_with_path(one, tree, *others)
