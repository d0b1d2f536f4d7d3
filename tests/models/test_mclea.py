import jax
import numpy as np

from mmea_jax.losses.alignment import ial
from mmea_jax.losses.contrastive import icl
from mmea_jax.models.mclea import Mclea
from tests.models.cases import (
    BATCH,
    AlignmentCases,
    embed,
    gradients,
    links,
    losses,
    pairs,
    shared,
    trained,
    world,
)


class TestMclea(AlignmentCases):
    cls = Mclea
    weights = ("log_variances", "alignment_log_variances")

    def test_terms_are_contrast_and_alignment_of_the_modalities(self):
        model = self.make()
        (total, terms), _ = gradients(model, pairs())
        sides = [embed(model, links()[:, side]) for side in (0, 1)]
        joint, everybody = [side.joint for side in sides], np.ones(BATCH, bool)
        contrast = jax.jit(lambda a, b, valid: icl(a, b, 0.1, valid=valid))
        align = jax.jit(lambda a, b, valid: ial(a, b, *joint, 4.0, valid, zoom=0.1))
        np.testing.assert_allclose(terms["joint"], contrast(*joint, everybody), rtol=1e-4)
        expected = terms["joint"]
        params = trained(model)["params"]
        for k, m in enumerate(model.modalities):
            valid = shared(m)
            own = [side.modal[m] for side in sides]
            np.testing.assert_allclose(terms[m], contrast(*own, valid), rtol=1e-4)
            np.testing.assert_allclose(terms[f"alignment_{m}"], align(*own, valid), rtol=1e-3, atol=1e-7)
            for name, term in (("log_variances", m), ("alignment_log_variances", f"alignment_{m}")):
                s = params[name][k]
                expected = expected + np.exp(-s) * terms[term] + s
        np.testing.assert_allclose(total, expected, rtol=1e-4)

    def test_the_joint_vectors_are_the_weighted_modalities_side_by_side(self):
        model = self.make()
        found = embed(model, np.arange(world().num_entities))
        parts = [found.confidence[:, k, None] * found.modal[m] for k, m in enumerate(model.modalities)]
        joint = np.concatenate(parts, axis=1)
        joint /= np.linalg.norm(joint, axis=1, keepdims=True)
        np.testing.assert_allclose(found.joint, joint, rtol=1e-4, atol=1e-6)

    def test_parts_can_be_switched_off(self):
        model = self.make(contrast=False, zoom=0.0)
        total, terms = losses(model, pairs())
        assert set(terms) == {"joint"}
        assert total == terms["joint"]
        assert set(trained(model)["params"]) == {"encode", "fuse"}
