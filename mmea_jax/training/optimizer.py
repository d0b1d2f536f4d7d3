"""The optimizer of a stage."""

import jax
import optax

from mmea_jax.training.stages import Stage

# Loss weights learn faster (spec/models.md 1.7). Temperatures do not: at five times the rate they shrink
# faster than the embeddings generalise. Neither is decayed.
_WEIGHING = ("log_variances", "log_scales", "modality_logits")
_UNDECAYED = ("log_temperatures", "leads")


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
    return optax.partition(
        {
            "network": optax.chain(
                optax.clip_by_global_norm(stage.clip),
                optax.adamw(schedule, weight_decay=stage.weight_decay),
            ),
            "undecayed": optax.chain(optax.clip_by_global_norm(stage.clip), optax.adam(schedule)),
            "weighing": optax.chain(
                optax.clip_by_global_norm(stage.clip),
                optax.adam(lambda step: stage.weighing_rate * schedule(step)),
            ),
            "frozen": optax.set_to_zero(),
        },
        lambda params: _labels(stage, params),
    )


def _labels(stage: Stage, params):
    def label(path, _):
        path = "/".join(str(part.key) for part in path)
        if not stage.trained(path):
            return "frozen"
        if path.endswith(_WEIGHING):
            return "weighing"
        return "undecayed" if path.endswith(_UNDECAYED) else "network"

    return jax.tree_util.tree_map_with_path(label, params)
