"""The shipped UMAEA configuration, shrunk: three stages from files to results."""

import json

import jax
import numpy as np
import pytest

from mmea_jax.training.optimizer import path_of
from mmea_jax.training.run import Run
from mmea_jax.training.settings import read_settings
from tests.small import small_config
from tests.training.test_run import KilledError

STAGES = ["hybrid", "imagination", "refinement"]
# What the last stage must not move, and what it must.
FROZEN = ("entities", "structure_encoder", "bag_encoders_relation", "bag_encoders_attribute", "imagination")
LATE = ("fuse", "fuse_static", "dense_encoders_visual", "log_variances", "loss_scales")


def make_run(folder, **overrides) -> Run:
    shrunk = {
        "model__layers": 1,
        "model__inner": 16,
        "train__batch_size": 40,
        "train__max_epochs": 2,
        "train__evaluate_every": 1,
        "stages__refinement__hold": 10.0,
        "matching__assignment": False,
    }
    config = small_config("umaea", **(shrunk | overrides))
    return Run(read_settings(config), config.to_dict(), folder)


def flat(tree) -> dict[str, np.ndarray]:
    """Leaves by path, on the host."""
    return {path_of(keys): np.asarray(leaf) for keys, leaf in jax.tree_util.tree_leaves_with_path(tree)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run, with weights and optimizer state after every epoch of every stage."""
    folder = tmp_path_factory.mktemp("finished")
    run, seen = make_run(folder), []
    save = run._save

    def watch(progress):
        save(progress)
        run._checkpoints.wait()  # or a later one may be left out
        state = progress.state
        shapes = [x.shape for x in jax.tree.leaves(state.opt_state)]
        seen.append((run.stages[progress.stage], flat(state.params), shapes, flat(progress.best), state.hold))

    run._save = watch
    return folder, run.train(), seen


def of_stage(seen, name):
    return [entry for entry in seen if entry[0].name == name]


def moved(before, after):
    return {path for path in before if not np.array_equal(before[path], after[path])}


def test_three_stages_run_and_report(finished):
    folder, results, _ = finished
    assert [stage["name"] for stage in results["stages"]] == STAGES
    assert [stage["epochs"] for stage in results["stages"]] == [2, 2, 2]
    assert all(stage["best_valid_mrr"] > 0 for stage in results["stages"])
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in lines] == sorted(2 * STAGES)
    terms = {line["stage"]: set(line["train"]) for line in lines}
    assert "imagined_visual" not in terms["hybrid"]
    assert {"imagined_visual", "prior_visual", "similarity_visual"} <= terms["imagination"]
    assert {"imagined_visual", "hold"} <= terms["refinement"]
    assert "prior_visual" not in terms["refinement"]


def test_frozen_parameters_do_not_move_and_hold_no_optimizer_state(finished):
    _, _, seen = finished
    shapes = {path: leaf.shape for path, leaf in seen[0][1].items()}
    for name in STAGES[1:]:
        start = of_stage(seen, STAGES[STAGES.index(name) - 1])[-1][3]
        for stage, params, held, _, _ in of_stage(seen, name):
            trained = {path for path in shapes if stage.trained(path)}
            assert moved(start, params) <= trained
            # Adam keeps two moments of every parameter that trains, and of no other.
            moments = sorted([shapes[path] for path in trained] * 2)
            assert sorted(shape for shape in held if shape) == moments
    last = moved(of_stage(seen, "imagination")[-1][3], of_stage(seen, "refinement")[-1][1])
    assert not any(word in path for path in last for word in FROZEN)
    assert all(any(f"/{word}" in path for path in last) for word in LATE)
    middle = moved(of_stage(seen, "hybrid")[-1][3], of_stage(seen, "imagination")[-1][1])
    assert middle
    assert all("imagination" in path for path in middle)


def test_each_stage_starts_from_the_best_weights_of_the_one_before(finished):
    """Seen through what the later stages never touch."""
    _, results, seen = finished
    first = of_stage(seen, "hybrid")
    best = results["stages"][0]["best_epoch"]
    for path, value in of_stage(seen, "refinement")[-1][1].items():
        if "entities" in path or "structure_encoder" in path:
            np.testing.assert_array_equal(value, first[best - 1][1][path])


def test_the_held_layer_is_held_where_the_stage_found_it(finished):
    _, _, seen = finished
    assert of_stage(seen, "imagination")[-1][4] is None
    hold = of_stage(seen, "refinement")[-1][4]
    start = of_stage(seen, "imagination")[-1][3]
    assert set(hold.origin) == {path for path in start if "encoders_visual" in path}
    for path, value in hold.origin.items():
        np.testing.assert_array_equal(value, start[path])
        assert np.all(np.asarray(hold.strength[path]) >= 0)
        assert np.any(np.asarray(hold.strength[path]) > 0)


def test_evaluation_alone_repeats_the_results(finished):
    folder, results, _ = finished
    assert make_run(folder).evaluate()["test"] == results["test"]


def test_resumed_within_the_last_stage_is_bit_identical(finished, tmp_path):
    """Frozen parameters and what is held come back, too."""
    _, results, seen = finished
    run = make_run(tmp_path)
    save = run._save

    def save_and_fail(progress):
        save(progress)
        if run.stages[progress.stage].name == "refinement":
            run._checkpoints.wait()
            raise KilledError

    run._save = save_and_fail
    with pytest.raises(KilledError):
        run.train()
    resumed = make_run(tmp_path)
    assert resumed.train()["test"] == results["test"]
    assert not moved(seen[-1][3], flat(resumed._load_params()))


def test_without_imagination_or_without_images_the_first_stage_is_all(tmp_path):
    without = make_run(tmp_path / "without", model__imagines=())
    assert [stage.name for stage in without.stages] == ["hybrid"]
    no_images = make_run(tmp_path / "none", data__visual="none", train__max_epochs=1)
    results = no_images.train()
    assert [stage["name"] for stage in results["stages"]] == ["hybrid"]
    assert "visual" not in results["protocol"]["modalities"]


def test_iterative_learning_goes_on_through_all_stages_and_cycles(tmp_path):
    results = make_run(
        tmp_path,
        model__imagines=(),
        train__max_epochs=1,
        train__cycles=3,
        train__iterative__start=1,
        train__iterative__patience=2,
    ).train()
    assert [stage["name"] for stage in results["stages"]] == ["hybrid", "hybrid-2", "hybrid-3"]
    assert results["pseudo_links"]["accepted"] > 0
