import pytest

from mmea_jax.training.launch import launch
from mmea_jax.training.speed import speed
from tests.small import small_completion, small_config


def test_the_first_pass_is_left_out_and_a_pass_cut_short_counts_by_its_own_steps():
    assert speed([9.0, 4.0, 1.0], [4, 4, 1]) == {"seconds_per_epoch": 2.5, "seconds_per_step": 1.0}
    assert speed([9.0], [3]) == {"seconds_per_epoch": 9.0, "seconds_per_step": 3.0}
    assert speed([9.0, 4.0], [0, 0])["seconds_per_step"] == 0


@pytest.mark.parametrize("small", [small_config, small_completion])
def test_a_run_whose_last_pass_is_cut_short_tells_the_time_of_a_step(small, tmp_path):
    config = small(train__max_steps=4, train__evaluate_every=10)
    results = launch(config, "train", tmp_path)
    (stage,) = results["stages"]
    assert (stage["steps"], stage["epochs"]) == (4, 2)
    assert 0 < results["seconds_per_step"] <= stage["seconds"]
