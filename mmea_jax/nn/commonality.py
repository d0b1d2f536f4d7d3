"""What an entity's modalities have in common, enhanced by cross-attention (TMEA; docs/methods/tmea.md)."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from flax import struct
from jax import Array

from mmea_jax.nn.cross_attention import CrossAttention


@struct.dataclass
class Enhanced:
    """Modal vectors of ``K`` entities after the exchange.

    Attributes:
      parts: ``M`` arrays float32[K, d]; a row of an absent modality is zero.
      specific: ``z_m − CA(m' → m)`` float32[K, d] by ``(m, m')``, indexes of ``M``: what of ``m`` is left
        when what ``m'`` finds in it is taken away.
    """

    parts: list[Array]
    specific: dict[tuple[int, int], Array]


class CommonalityEnhancement(nn.Module):
    """``part_m = ω₀ z_m + Σ_m' ω_m' CA(m' → m)`` with softmaxed weights, for every modality ``m``.

    In ``CA(m' → m)`` the vector of ``m'`` is the query and that of ``m`` key and value. An absent modality
    asks nothing: its weight is zero and the others' are larger for it.

    Attributes:
      modalities: names, in order.
      width: ``d``.
      heads: of each cross-attention.
      tokens: of each; with one, the query does not matter (see ``CrossAttention``).
      initial: see ``nn/initial.py``.
    """

    modalities: tuple[str, ...]
    width: int
    heads: int = 2
    tokens: int = 1
    initial: str = "normal"

    def setup(self):
        count = len(self.modalities)
        # Column m: the modality itself, then the others in order.
        self.exchange_logits = self.param("exchange_logits", nn.initializers.zeros, (count, count))
        self.attentions = {
            f"{asking}_to_{own}": CrossAttention(self.width, self.heads, self.tokens, self.initial)
            for own in self.modalities
            for asking in self.modalities
            if asking != own
        }

    def __call__(self, vectors: Sequence[Array], there: Array) -> Enhanced:
        """Exchanges between ``M`` vectors float32[K, d] a modality, of which ``there`` bool[K, M] exist."""
        parts, specific = [], {}
        for m, own in enumerate(self.modalities):
            # A row that does not exist must reach neither the others nor the parameters.
            vector = jnp.where(there[:, m, None], vectors[m], 0.0)
            terms, exist = [vector], [there[:, m]]
            for k, asking in enumerate(self.modalities):
                if k == m:
                    continue
                query = jnp.where(there[:, k, None], vectors[k], 0.0)
                terms.append(self.attentions[f"{asking}_to_{own}"](query, vector))
                exist.append(there[:, m] & there[:, k])
                specific[m, k] = vector - terms[-1]
            weights = _softmax_of_present(self.exchange_logits[:, m], jnp.stack(exist, axis=1))
            parts.append(sum(weights[:, t, None] * term for t, term in enumerate(terms)))
        return Enhanced(parts, specific)


def _softmax_of_present(logits: Array, present: Array) -> Array:
    """float32[K, M] of float32[M] and bool[K, M]; exactly 0 where absent, and in rows where nothing is."""
    exponentials = jnp.where(present, jnp.exp(logits - jnp.max(logits)), 0.0)
    total = jnp.sum(exponentials, axis=1, keepdims=True)
    return exponentials / jnp.where(total > 0, total, 1.0)
