"""The optimizer of a stage."""

import re

import jax
import optax

from mmea_jax.training.stages import Stage, matches

# Loss weights learn five times as fast (docs/methods/shared.md) and, like temperatures, are not decayed.
_WEIGHING = ("log_variances", "loss_scales", "modality_logits")
_UNDECAYED = (*_WEIGHING, "log_temperatures", "leads")
_WEIGHING_RATE = 5.0
_FROZEN = "frozen"


def learning_rate(stage: Stage, steps: int) -> optax.Schedule:
    """Linear warm-up over the stage's share of ``steps``, then a cosine to 0."""
    warmup = max(1, round(stage.warmup * steps))
    return optax.warmup_cosine_decay_schedule(0.0, stage.learning_rate, warmup, max(steps, warmup + 1))


def make_optimizer(stage: Stage, steps: int) -> optax.GradientTransformation:
    """AdamW with clipping for the parameters that the stage trains; no state for the frozen ones.

    Args:
      stage: settings.
      steps: optimizer steps of the whole stage.
    """
    schedule = learning_rate(stage, steps)
    rates = {1.0, _WEIGHING_RATE, *stage.rates.values()}
    transforms = {_FROZEN: optax.set_to_zero()}
    for rate in rates:
        for decay in (0.0, stage.weight_decay):
            # The default argument binds this round's rate.
            transforms[f"{rate} {decay}"] = optax.adamw(
                lambda step, rate=rate: rate * schedule(step), weight_decay=decay
            )
    frozen = optax.masked(
        optax.set_to_zero(),
        lambda params: jax.tree.map(lambda label: label == _FROZEN, _labels(stage, params)),
    )
    # Gradients of frozen parameters are dropped first: they must not count in the norm that is clipped.
    return optax.chain(
        frozen,
        optax.clip_by_global_norm(stage.clip),
        optax.partition(transforms, lambda params: _labels(stage, params)),
    )


def path_of(keys) -> str:
    """``params/encode/entities`` of a leaf's path as JAX gives it."""
    return "/".join(str(part.key) for part in keys)


def _labels(stage: Stage, params):
    def label(path, _):
        path = path_of(path)
        if not stage.trained(path):
            return _FROZEN
        rate = _WEIGHING_RATE if path.endswith(_WEIGHING) else 1.0
        rate = next((r for pattern, r in stage.rates.items() if re.search(pattern, path)), rate)
        undecayed = path.endswith(_UNDECAYED) or matches(stage.undecayed, path)
        return f"{rate} {0.0 if undecayed else stage.weight_decay}"

    return jax.tree_util.tree_map_with_path(label, params)
