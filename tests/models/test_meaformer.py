import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.errors import InputError
from mmea_jax.losses.contrastive import icl
from mmea_jax.models.meaformer import Meaformer
from tests.models.cases import (
    BATCH,
    AlignmentCases,
    embed,
    gradients,
    inputs,
    links,
    losses,
    pairs,
    shared,
    trained,
    world,
)


class TestMeaformer(AlignmentCases):
    cls = Meaformer
    fields = {"dropout": 0.0, "inner": 12}  # noqa: RUF012

    def test_terms_are_contrasts_before_and_behind_the_layer(self):
        model = self.make()
        (total, terms), _ = gradients(model, pairs())
        sides = [embed(model, links()[:, side]) for side in (0, 1)]
        everybody = np.ones(BATCH, bool)
        contrast = jax.jit(lambda a, b, valid: icl(a, b, 0.1, valid=valid))
        joint = contrast(sides[0].joint, sides[1].joint, everybody)
        np.testing.assert_allclose(terms["joint"], joint, rtol=1e-4)
        expected, s = terms["joint"], trained(model)["params"]["log_variances"]
        for k, m in enumerate(model.modalities):
            valid = shared(m)
            own = contrast(sides[0].modal[m], sides[1].modal[m], valid)
            np.testing.assert_allclose(terms[m], own, rtol=1e-4)
            # One weight for both losses of a modality.
            expected = expected + np.exp(-s[k]) * (terms[m] + terms[f"hidden_{m}"]) + 2 * s[k]
        np.testing.assert_allclose(total, expected, rtol=1e-4)

    def test_confidence_differs_between_entities_and_makes_the_joint_vectors(self):
        model = self.make()
        found = embed(model, np.arange(world().num_entities))
        full = (found.confidence > 0).all(axis=1)
        assert np.ptp(found.confidence[full], axis=0).max() > 1e-3
        parts = [found.confidence[:, k, None] * found.modal[m] for k, m in enumerate(model.modalities)]
        joint = np.concatenate(parts, axis=1)
        joint /= np.linalg.norm(joint, axis=1, keepdims=True)
        np.testing.assert_allclose(found.joint, joint, rtol=1e-4, atol=1e-6)

    def test_adaptive_losses_are_weighed_by_the_smaller_confidence(self):
        model = self.make(adaptive=True)
        _, terms = losses(model, pairs())
        sides = [embed(model, links()[:, side]) for side in (0, 1)]
        at, count = model.modalities.index("relation"), len(model.modalities)
        weights = count * np.minimum(*(side.confidence[:, at] for side in sides))
        valid = shared("relation")
        z1, z2 = (side.modal["relation"] for side in sides)
        expected = jax.jit(icl)(z1, z2, 0.1, weights, valid)
        np.testing.assert_allclose(terms["relation"], expected, rtol=1e-4)

    def test_what_is_filled_has_a_confidence_and_counts_in_the_losses(self):
        model = self.make(fills=("visual",))
        at = model.modalities.index("visual")
        everybody = np.arange(world().num_entities)
        found = embed(model, everybody)
        assert (found.confidence[:, at] > 0).all()
        assert np.isfinite(found.joint).all()
        sides = [embed(model, links()[:, side]) for side in (0, 1)]
        _, terms = losses(model, pairs())
        expected = icl(sides[0].modal["visual"], sides[1].modal["visual"], 0.1)
        np.testing.assert_allclose(terms["visual"], expected, rtol=1e-4)

    def test_static_fusion_has_no_hidden_tokens(self):
        model = self.make(fusion="static")
        (_, terms), found = gradients(model, pairs())
        assert not any(name.startswith("hidden") for name in terms)
        assert set(found["params"]["fuse"]) == {"modality_logits"}

    def test_dropout_is_for_training_alone(self):
        model = self.make(dropout=0.5)
        params = trained(model)

        @functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
        def loss(key):
            return model.apply(params, inputs(), pairs(), method="loss", rngs={"dropout": key})[0]

        assert loss(jax.random.key(0)) != loss(jax.random.key(1))
        some = np.arange(5)
        np.testing.assert_array_equal(embed(model, some).joint, embed(self.make(), some).joint)

    @pytest.mark.parametrize(
        ("field", "value"), [("fusion", "statik"), ("fusion_heads", 3), ("fusion_heads", 0)]
    )
    def test_impossible_fields_are_refused(self, field, value):
        model = self.make(**{field: value})
        with pytest.raises(InputError, match=r"did you mean 'static'|divides the width"):
            jax.eval_shape(lambda: model.init(jax.random.key(0), inputs(), pairs(), method="loss"))

    def test_without_modal_losses_the_joint_one_is_left(self):
        model = self.make(contrast=False, hidden_contrast=False)
        total, terms = losses(model, pairs())
        assert total == terms["joint"]
        assert jnp.isfinite(total)
        assert "log_variances" not in trained(model)["params"]
