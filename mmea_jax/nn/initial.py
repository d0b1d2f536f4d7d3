"""How linear layers start."""

import flax.linen as nn
import jax
from jax.nn.initializers import Initializer

from mmea_jax.errors import InputError, closest

INITIALS = ("normal", "uniform")


def initializers(name: str, inputs: int) -> tuple[Initializer, Initializer]:
    """Initial kernel and bias of a linear layer of ``inputs`` inputs.

    Args:
      name: ``normal`` (truncated, variance ``1/inputs``, bias 0), or ``uniform`` in ``±1/√inputs`` for both,
        which is PyTorch's default and so what the published methods start from; its kernels are smaller.
      inputs: width of what the layer reads.

    Raises:
      InputError: another name.
    """
    if name == "normal":
        return nn.initializers.lecun_normal(), nn.initializers.zeros
    if name != "uniform":
        raise InputError(
            f"the initial weights {name!r}{closest(name, INITIALS)}",
            expected=f"one of {', '.join(INITIALS)}",
            mend="correct --config.model.initial",
        )
    bound = inputs**-0.5

    def draw(key, shape, dtype=float):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return draw, draw
