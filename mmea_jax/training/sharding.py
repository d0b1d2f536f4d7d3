"""How a run's arrays lie on its devices.

One program for any number of devices. Entity tables, their optimizer state and the graph's edges are placed
by owner, an equal range of the entities a device, and the compiler partitions every step from there (``jit``
over ``NamedSharding``, with the advice of `partition.by_rows` where rows of a batch are encoded or compared).
It keeps a program's meaning: a contrastive loss written over the whole batch has the whole batch's negatives
on any number of devices, random numbers are those of one device, and no method's file says anything of
devices. A ``shard_map`` around the step would give the same communication, but every loss would have to
gather, sum and mask by hand. It serves in two places, where the compiler cannot know that rows stay with
their owners: the sums over neighbours (`nn/parted_graph.py`) and the bags (`nn/bags.py`).

Arrays that enter or leave a program must split evenly, so tables are padded with rows of 0, which get no
gradient and stay 0. What is saved is whole and without padding: a run resumes on another number of devices.
"""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from mmea_jax.errors import InputError
from mmea_jax.nn.inputs import Inputs
from mmea_jax.nn.parted_graph import part_graph
from mmea_jax.nn.sampled_graph import SampledGraph
from mmea_jax.partition import AXIS

PyTree = Any


class Sharding:
    """Places arrays on the devices of a run; on one device it does nothing.

    Args:
      devices: how many; 0 for all of all processes.
      num_entities: ``N``; what has so many rows is split by them.

    Raises:
      InputError: so many devices are not to be had, or some process would have none.
    """

    def __init__(self, devices: int, num_entities: int):
        every = jax.devices()
        if devices > len(every) or (devices and jax.process_count() > 1 and devices < len(every)):
            raise InputError(
                f"train.devices = {devices}",
                expected=f"0 for all, or at most the {len(every)} that JAX has found"
                if jax.process_count() == 1
                else f"0 for all {len(every)}, as each of the processes has some of them",
                mend="change --config.train.devices",
            )
        self.parts = devices or len(every)
        self._rows = num_entities
        self._padding = -num_entities % self.parts
        self._strippers: dict[Any, Callable[[PyTree], PyTree]] = {}
        self.mesh: Mesh | None = None
        if self.parts > 1:
            self.mesh = jax.make_mesh(
                (self.parts,), (AXIS,), axis_types=(AxisType.Auto,), devices=every[: self.parts]
            )

    def active(self) -> contextlib.AbstractContextManager:
        """Within, compiled programs run on all devices."""
        return contextlib.nullcontext() if self.mesh is None else jax.set_mesh(self.mesh)

    @property
    def by_rows(self) -> NamedSharding | None:
        """An equal share of the first axis on each device; ``None`` on one."""
        return self.mesh and NamedSharding(self.mesh, PartitionSpec(AXIS))

    @property
    def everywhere(self) -> NamedSharding | None:
        """All of an array on every device; ``None`` on one."""
        return self.mesh and NamedSharding(self.mesh, PartitionSpec())

    def copied(self, tree: PyTree) -> PyTree:
        """Arrays of the host on every device; on one device as they are."""
        return tree if self.mesh is None else jax.device_put(tree, self.everywhere)

    def inputs(self, inputs: Inputs) -> Inputs:
        """The host's arrays on the devices: edges, dense features and presence by owner, the rest on each.

        So are the edges of a graph that is sampled: any device may draw any of them.

        A model reads them as it does ``inputs``; rows beyond ``N`` belong to no entity.
        """
        if self.mesh is None:
            return jax.tree.map(jnp.asarray, inputs)
        split = self._padded((inputs.dense, inputs.present))
        dense, present = jax.device_put(split, self.by_rows)
        if isinstance(inputs.graph, SampledGraph):
            graph = self.copied(inputs.graph)
        else:
            graph = jax.device_put(part_graph(inputs.graph, self.parts), self.by_rows)
        bags, triples = self.copied((inputs.bags, inputs.triples))
        return Inputs(graph, bags, dense, present, triples)

    def made(self, function: Callable[..., PyTree], tree: PyTree, *arguments: PyTree) -> PyTree:
        """``function(tree, *arguments)``, with its tables padded and split.

        Args:
          function: gives arrays without padding, of which those with ``N`` rows are tables.
          tree: its first argument, whose tables lose their padding first.
          arguments: the others, which are passed on.
        """
        if self.mesh is None:
            return function(tree, *arguments)
        strip = self.stripper(tree)

        def made(tree, *arguments):
            return function(strip(tree), *arguments)

        def padded(tree, *arguments):
            return jax.tree.map(lambda x: self._pad(x, jnp.pad), made(tree, *arguments))

        like = jax.eval_shape(made, tree, *arguments)
        shardings = jax.tree.map(lambda x: self.by_rows if self._is_table(x) else self.everywhere, like)
        return jax.jit(padded, out_shardings=shardings)(tree, *arguments)

    def placed(self, tree: PyTree) -> PyTree:
        """Whole arrays, such as a checkpoint has, with the tables padded and split."""
        return self.made(lambda tree: tree, tree)

    def stripper(self, tree: PyTree) -> Callable[[PyTree], PyTree]:
        """A function that takes the padding off the tables of what has the layout of ``tree``, placed arrays.

        It may be called where arrays are traced.
        """
        leaves, layout = jax.tree.flatten(tree)
        split = tuple(bool(self._padding) and self._is_split(leaf) for leaf in leaves)
        return functools.partial(_stripped, layout=layout, split=split, rows=self._rows)

    def whole(self, tree: PyTree) -> PyTree:
        """All of every array on every device, without padding, as checkpoints and users want them."""
        if self.mesh is None:
            return tree
        strip = self.stripper(tree)
        key = strip.keywords["layout"], strip.keywords["split"]
        # Kept, so that it compiles once.
        self._strippers.setdefault(key, jax.jit(strip, out_shardings=self.everywhere))
        return self._strippers[key](tree)

    def abstract(self, tree: PyTree) -> PyTree:
        """Shapes and types with the placement that ``whole`` gives."""
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=self.everywhere), tree)

    def shardings(self, tree: PyTree) -> PyTree:
        """Of placed arrays; ``None`` on one device."""
        return None if self.mesh is None else jax.tree.map(lambda x: x.sharding, tree)

    def _is_table(self, x: Any) -> bool:
        return x.ndim > 0 and x.shape[0] == self._rows

    def _is_split(self, x: Any) -> bool:
        return isinstance(x, jax.Array) and x.sharding == self.by_rows

    def _pad(self, x: Any, pad: Callable) -> Any:
        return pad(x, [(0, self._padding)] + [(0, 0)] * (x.ndim - 1)) if self._is_table(x) else x

    def _padded(self, tree: PyTree) -> PyTree:
        return jax.tree.map(lambda x: self._pad(np.asarray(x), np.pad), tree)


def _stripped(tree: PyTree, layout: Any, split: tuple[bool, ...], rows: int) -> PyTree:
    leaves = jax.tree.leaves(tree)
    return layout.unflatten([x[:rows] if own else x for x, own in zip(leaves, split, strict=True)])


def on_devices(method: Callable) -> Callable:
    """A method of an object with a ``sharding``, within which compiled programs run on all its devices."""

    @functools.wraps(method)
    def wrapped(self, *arguments, **options):
        with self.sharding.active():
            return method(self, *arguments, **options)

    return wrapped
