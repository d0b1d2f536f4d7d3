import jax
import numpy as np
import pytest

from mmea_jax.errors import InputError
from mmea_jax.losses.neighbourhood import nca
from mmea_jax.models.eva import Eva
from tests.models.cases import (
    BATCH,
    AlignmentCases,
    embed,
    gradients,
    inputs,
    links,
    pairs,
    shared,
    trained,
    world,
)


class TestEva(AlignmentCases):
    cls = Eva
    weights = ()

    def test_terms_are_the_neighbourhood_losses_of_the_parts(self):
        model = self.make()
        (total, terms), _ = gradients(model, pairs())
        sides = [embed(model, links()[:, side]) for side in (0, 1)]
        fast = jax.jit(nca)
        for m in model.modalities:
            z1, z2 = (side.modal[m] for side in sides)
            valid = shared(m)
            expected = fast(z1, z2, 5.0 if m == "structure" else 15.0, 10.0, valid)
            np.testing.assert_allclose(terms[m], expected, rtol=1e-4, atol=1e-5)
        joint = fast(sides[0].joint, sides[1].joint, 15.0, 10.0, np.ones(BATCH, bool))
        np.testing.assert_allclose(terms["joint"], joint, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(total, sum(terms.values()), rtol=1e-5)

    def test_the_joint_loss_reaches_the_weights_alone(self):
        whole, without = (gradients(self.make(joint_loss=on), pairs())[1]["params"] for on in (True, False))
        assert np.abs(whole["fuse"]["modality_logits"]).max() > 0
        np.testing.assert_array_equal(without["fuse"]["modality_logits"], 0.0)
        np.testing.assert_allclose(whole["encode"]["entities"], without["encode"]["entities"], atol=1e-6)

    def test_without_losses_of_the_parts_the_joint_loss_trains_the_encoders(self):
        (_, terms), found = gradients(self.make(modal_losses=False), pairs())
        assert set(terms) == {"joint"}
        for group in jax.tree.leaves(found["params"]["encode"]):
            assert np.abs(group).max() > 0

    def test_without_any_loss_it_is_refused(self):
        model = self.make(modal_losses=False, joint_loss=False)
        with pytest.raises(InputError, match="without any loss"):
            model.init(jax.random.key(0), inputs(), pairs(), method="loss")

    def test_confidence_is_the_softmax_of_the_shared_weights_over_what_is_there(self):
        model = self.make()
        logits = trained(model)["params"]["fuse"]["modality_logits"]
        found = embed(model, np.arange(world().num_entities))
        full = (found.confidence > 0).all(axis=1)
        np.testing.assert_allclose(
            found.confidence[full], np.tile(jax.nn.softmax(logits), (full.sum(), 1)), rtol=1e-5
        )

    def test_graph_attention_is_the_alternative_encoder(self):
        model = self.make(encoder="attention")
        params = trained(model)["params"]["encode"]["structure_encoder"]
        assert {"w_0", "a_0"} <= set(params)
        assert "kernel_0" in trained(self.make())["params"]["encode"]["structure_encoder"]
        assert not model.has_distribution
