"""A training of seconds on any devices, for tests that compare them."""

from pathlib import Path

import jax
import numpy as np

from mmea_jax.data import SyntheticOptions
from mmea_jax.data.synthetic import generate
from mmea_jax.matching import gold_ranks, inner_product
from mmea_jax.matching.similarity import Scorer
from mmea_jax.models.mclea import Mclea
from mmea_jax.training.checkpoints import Checkpoints
from mmea_jax.training.embedder import Embedder
from mmea_jax.training.inputs import make_inputs, modalities_of
from mmea_jax.training.options import TrainOptions
from mmea_jax.training.progress import Progress
from mmea_jax.training.saving import abstract_arrays, from_checkpoint, to_checkpoint
from mmea_jax.training.sharding import Sharding
from mmea_jax.training.stages import Stage
from mmea_jax.training.trainer import Trainer

# 2 × 45 entities and 13 pairs a step: multiples of no number of devices in use.
_WORLD = SyntheticOptions(
    entities=45, triples_per_entity=5.0, visual_width=8, relations=8, attributes=8, types=4, dangling=0.0
)


class Small:
    """MCLEA on graphs of 90 entities, whose modalities are bags and dense features, some absent.

    Args:
      devices: as ``Sharding``.
      neighbours: as in ``TrainOptions``.
      entity_dropout: as in the model.
    """

    def __init__(self, devices: int, neighbours: int = 0, entity_dropout: float = 0.1):
        self.kgs = generate(_WORLD)
        self.links = self.kgs.links[:26]
        inputs = make_inputs(self.kgs)
        self.sharding = Sharding(devices, self.kgs.num_entities)
        names = tuple(m for m in modalities_of(self.kgs) if m in ("structure", "relation", "visual"))
        # What compiles is what takes time here; layers and heads are compared in ``eight_devices.py``.
        self.model = Mclea(
            names, self.kgs.num_entities, 8, layers=1, heads=1, entity_dropout=entity_dropout, zoom=0.0
        )
        stage = Stage("main", epochs=3, learning_rate=0.02, batch_size=13)
        self.trainer = Trainer(
            self.model,
            inputs,
            (stage,),
            self.links,
            TrainOptions(neighbours=neighbours),
            0,
            None,
            None,
            (45, 45),
            self.sharding,
        )
        self._inputs = inputs

    def losses(self, progress: Progress, epochs: int) -> list[float]:
        """Of so many further passes."""
        events = self.trainer.run(progress)
        return [next(events).terms["loss"] for _ in range(epochs)]

    def save(self, progress: Progress, folder: Path) -> list[np.ndarray]:
        """Writes a checkpoint; returns its arrays."""
        arrays, meta = to_checkpoint(progress, self.sharding)
        with Checkpoints(folder) as saved:
            saved.save(int(progress.state.step), arrays, meta)
        return plain(arrays)

    def restore(self, folder: Path) -> Progress:
        """What ``save`` left, on whatever devices."""
        with Checkpoints(folder) as saved:
            found = saved.restore(lambda meta: abstract_arrays(self.trainer, meta, self.sharding))
        return from_checkpoint(*found[1:], self.sharding)

    def answers(self, params) -> dict[str, np.ndarray]:
        """Ranks of all links, and what they come from."""
        embed = Embedder(self.model, self.sharding.inputs(self._inputs), self.sharding)
        left, right = embed(params, *(self.kgs.entities(side) for side in (0, 1)))
        scorer = Scorer(left.joint, right.joint, block=inner_product, block_rows=16)
        gold = np.full(45, -1)
        gold[self.kgs.links[:, 0]] = self.kgs.links[:, 1] - 45
        found = gold_ranks(scorer, gold, 3)
        ranks = {f"{kind} {way}": found[kind][way] for kind in found for way in found[kind]}
        return ranks | {"joint": np.asarray(left.joint)}


def trained(
    devices: int, folder: Path | None = None, neighbours: int = 0
) -> tuple[list[float], dict[str, np.ndarray]]:
    """Losses of three passes, and the answers afterwards.

    Args:
      devices: as ``Sharding``.
      folder: for a checkpoint, from which the last pass is to start.
      neighbours: as in ``TrainOptions``.
    """
    small = Small(devices, neighbours)
    with small.sharding.active():
        progress = small.trainer.initial()
        losses = small.losses(progress, 2)
        if folder:
            small.save(progress, folder)
            progress = small.restore(folder)
        losses += small.losses(progress, 1)
        return losses, small.answers(progress.state.params)


def assert_alike(one, other) -> None:
    """Losses, ranks and embeddings to 1e-4."""
    np.testing.assert_allclose(one[0], other[0], rtol=1e-4)
    assert one[1].keys() == other[1].keys()
    for name, value in one[1].items():
        np.testing.assert_allclose(other[1][name], value, atol=1e-4, err_msg=name)


def plain(tree):
    """Leaves as NumPy arrays."""
    return [np.asarray(x) for x in jax.tree.leaves(tree)]
