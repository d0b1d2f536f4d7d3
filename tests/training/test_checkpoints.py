import json
import logging
import os
import resource
import shutil
import subprocess
import sys

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mmea_jax.errors import InputError
from mmea_jax.training.checkpoints import Checkpoints, load_params, save_params


@flax.struct.dataclass
class State:
    step: jax.Array
    params: dict
    opt_state: optax.OptState
    key: jax.Array


def _state(seed: int, width: int = 3) -> State:
    params = {"dense": {"kernel": jax.random.normal(jax.random.key(seed), (4, width)), "empty": {}}}
    labels = {"dense": {"kernel": "trained", "empty": {}}}
    optimizer = optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.multi_transform({"trained": optax.adamw(1e-3), "frozen": optax.set_to_zero()}, labels),
    )
    return State(jnp.int32(seed), params, optimizer.init(params), jax.random.key_data(jax.random.key(seed)))


def _abstract(tree):
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), tree)


def _assert_equal(one, two):
    assert jax.tree.structure(one) == jax.tree.structure(two)
    jax.tree.map(np.testing.assert_array_equal, one, two)


@pytest.fixture(scope="module")
def two_saved(tmp_path_factory):
    """A folder with checkpoints of steps 1 and 2."""
    folder = tmp_path_factory.mktemp("saved") / "checkpoints"
    with Checkpoints(folder) as saved:
        for step in (1, 2):
            saved.save(step, _state(step), {"epoch": step})
    return folder


@pytest.fixture
def folder(two_saved, tmp_path):
    return shutil.copytree(two_saved, tmp_path / "checkpoints")


def test_types_and_values_come_back(folder):
    with Checkpoints(folder) as saved:
        step, arrays, meta = saved.restore(_abstract(_state(0)))
    assert (step, meta) == (2, {"epoch": 2})
    _assert_equal(arrays, _state(2))
    assert isinstance(arrays, State)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(arrays))


def test_an_empty_or_missing_folder_holds_nothing(tmp_path):
    missing = tmp_path / "none"
    with Checkpoints(missing) as saved:
        assert saved.restore(_abstract(_state(0))) is None
        assert saved.steps() == []
    assert not missing.exists()
    with Checkpoints(tmp_path) as saved:
        assert saved.restore(_abstract(_state(0))) is None


def test_the_newest_are_kept(folder):
    with Checkpoints(folder, keep=2) as saved:
        saved.save(5, _state(5), {})
        saved.wait()
        assert saved.steps() == [2, 5]


def test_the_best_stays_until_a_better_one_comes(tmp_path):
    folder = tmp_path / "c"
    arrays = {"x": jnp.ones(2)}
    with Checkpoints(folder, keep=2) as saved:
        for step in range(1, 6):
            saved.save(step, arrays, {}, best=step == 2)
        saved.wait()
        assert saved.steps() == [2, 4, 5]
    # Which one it is, a resumed run knows from the checkpoint.
    with Checkpoints(folder, keep=2) as saved:
        saved.restore(arrays)
        saved.save(6, arrays, {})
        saved.wait()
        assert saved.steps() == [2, 5, 6]
        for step in (7, 8):
            saved.save(step, arrays, {}, best=step == 7)
        saved.save(9, arrays, {})
        saved.wait()
        assert saved.steps() == [7, 8, 9]


def test_busy_while_it_writes(tmp_path):
    with Checkpoints(tmp_path / "c") as saved:
        assert not saved.busy
        saved.save(1, {"x": jnp.ones((2000, 2000))}, {})
        saved.wait()
        assert not saved.busy


def test_a_checkpoint_of_one_device_is_read_onto_eight_and_back(tmp_path):
    """In processes of their own, for the number of devices is fixed once JAX has looked for them."""
    program = """
import sys, jax, jax.numpy as jnp, numpy as np
jax.config.update("jax_num_cpu_devices", int(sys.argv[2]))
from jax.sharding import NamedSharding, PartitionSpec as P
from mmea_jax.training.checkpoints import Checkpoints
mesh = jax.make_mesh((int(sys.argv[2]),), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
rows = NamedSharding(mesh, P("data"))
value = np.arange(48, dtype=np.float32).reshape(16, 3)
with Checkpoints(sys.argv[1]) as saved:
    target = {"x": jax.ShapeDtypeStruct(value.shape, value.dtype, sharding=rows)}
    found = saved.restore(target)
    if found:
        np.testing.assert_array_equal(found[1]["x"], value)
        assert found[1]["x"].sharding == rows
    print(saved.steps())
    saved.save(len(saved.steps()), {"x": jax.device_put(value, rows)}, {})
"""
    for before, devices in ([], 8), ([0], 1), ([0, 1], 8):
        command = [sys.executable, "-c", program, str(tmp_path / "c"), str(devices)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{before}\n"


def test_donating_after_save_does_not_change_what_is_saved(tmp_path):
    step = jax.jit(lambda x: x + 1, donate_argnums=0)
    value = jnp.asarray(np.random.default_rng(0).random((2000, 500), np.float32))
    expected = np.array(value)
    with Checkpoints(tmp_path / "c") as saved:
        saved.save(0, {"x": value}, {})
        for _ in range(3):
            value = step(value)
        value.block_until_ready()
        saved.wait()
        _, arrays, _ = saved.restore({"x": jax.ShapeDtypeStruct(expected.shape, expected.dtype)})
    np.testing.assert_array_equal(arrays["x"], expected)


@pytest.mark.parametrize(
    "damage",
    ["cut data", "no data", "no metadata", "cut meta", "no meta", "no all", "old meta", "other meta"],
)
def test_a_damaged_newest_falls_back_with_a_warning(folder, damage, caplog):
    newest = folder / "2"
    parts = {
        "data": [file for file in (newest / "arrays").rglob("*") if file.parent.name == "d"],
        "metadata": [newest / "arrays" / "_METADATA"],
        "meta": [newest / "meta" / "metadata"],
        "all": [file for file in newest.rglob("*") if file.is_file()],
    }[damage.split()[1]]
    for part in parts:
        if damage.startswith("old"):
            part.write_text('{"layout": {}}')
        elif damage.startswith("other"):  # sound JSON, and an array of another shape than was saved
            part.write_text(part.read_text().replace("float32[", "float32[1", 1))
        elif damage.startswith("cut"):
            os.truncate(part, part.stat().st_size // 2)
        else:
            part.unlink()
    with caplog.at_level(logging.WARNING, "mmea_jax"), Checkpoints(folder) as saved:
        step, arrays, meta = saved.restore(_abstract(_state(0)))
        assert (step, meta) == (1, {"epoch": 1})
        _assert_equal(arrays, _state(1))
        assert "2 is damaged" in caplog.text
        # The resumed run reaches the damaged step again.
        saved.save(2, _state(7), {"epoch": 7})
    with Checkpoints(folder) as saved:
        step, arrays, meta = saved.restore(_abstract(_state(0)))
    assert (step, meta) == (2, {"epoch": 7})
    _assert_equal(arrays, _state(7))


def test_a_write_killed_half_way_is_no_checkpoint(folder):
    shutil.copytree(folder / "2", folder / "3.orbax-checkpoint-tmp")
    with Checkpoints(folder) as saved:
        assert saved.restore(_abstract(_state(0)))[0] == 2
        saved.save(3, _state(3), {})
        saved.wait()
        assert saved.restore(_abstract(_state(0)))[0] == 3
    assert sorted(os.listdir(folder)) == ["2", "3"]


def test_nothing_readable_is_an_input_error(folder):
    for step in ("1", "2"):
        (folder / step / "meta" / "metadata").unlink()
    with Checkpoints(folder) as saved, pytest.raises(InputError, match=r"no checkpoint among 2.*--workdir"):
        saved.restore(_abstract(_state(0)))


@pytest.mark.parametrize(
    "change",
    [{"custom_metadata": {"a": 1}, "ommit_timestamp_nsecs": 1}, {"commit_timestamp_nsecs": 10**22}],
    ids=["a key misspelt", "a year too far"],
)
def test_a_description_that_stops_orbax_is_set_aside_with_a_warning(folder, change, caplog):
    file = folder / "2" / "_CHECKPOINT_METADATA"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with Checkpoints(folder) as saved:
        assert saved.steps() == [1, 2]
        step, _, _ = saved.restore(_abstract(_state(0)))
        saved.save(3, _state(0), {})
        saved.wait()
        assert saved.steps() == [2, 3]
    assert step == 2
    assert "set aside" in caplog.text
    assert not file.exists()


def test_other_arrays_are_refused_by_name_and_not_taken_for_damage(folder):
    with Checkpoints(folder) as saved:
        with pytest.raises(InputError, match=r"kernel.*float32\[4, 3\].*expected.*float32\[4, 5\]"):
            saved.restore(_abstract(_state(0, width=5)))
        with pytest.raises(InputError, match="absent"):
            saved.restore({"other": jax.ShapeDtypeStruct((2,), jnp.int32)})
        half = _abstract(_state(0)).replace(step=jax.ShapeDtypeStruct((), jnp.int16))
        with pytest.raises(InputError, match="int16"):
            saved.restore(half)
        assert saved.steps() == [1, 2]


def test_the_target_may_depend_on_the_meta(tmp_path):
    with Checkpoints(tmp_path / "c") as saved:
        saved.save(1, {"x": jnp.ones(2)}, {"width": 2})
        saved.save(2, {"x": jnp.ones(5)}, {"width": 5})
        saved.wait()
        found = saved.restore(lambda meta: {"x": jax.ShapeDtypeStruct((meta["width"],), jnp.float32)})
        assert found[1]["x"].shape == (5,)
        # An error of the caller's own is no damage.
        with pytest.raises(ZeroDivisionError):
            saved.restore(lambda meta: 1 / 0)


def test_shardings_of_the_target_are_respected(folder):
    mesh = jax.make_mesh((1,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    target = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), _state(0))
    with Checkpoints(folder) as saved:
        _, arrays, _ = saved.restore(target)
    assert all(leaf.sharding == sharding for leaf in jax.tree.leaves(arrays))


# TensorStore's other writes, which fail too, report to an event loop that Orbax has closed by then.
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
def test_a_disk_that_refuses_leaves_earlier_checkpoints(folder, caplog):
    big = {"x": jnp.asarray(np.random.default_rng(0).integers(0, 2**32, 200_000, np.uint32))}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    saved = Checkpoints(folder)
    saved.steps()
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        saved.save(3, big, {})
        with pytest.raises(InputError, match=r"File too large.*--workdir"):
            saved.wait()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    # The error above is all there is to tell.
    assert not [record for record in caplog.records if record.exc_info]
    step, arrays, _ = saved.restore(_abstract(_state(0)))
    assert step == 2
    _assert_equal(arrays, _state(2))
    saved.save(4, _state(4), {})
    saved.close()
    with Checkpoints(folder) as saved:
        assert saved.steps()[-2:] == [2, 4]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="--workdir"):
        Checkpoints(tmp_path / "file" / "checkpoints").save(0, _state(0), {})


def test_best_params_beside_checkpoints(folder):
    best = folder / "best"
    params = _state(1).params
    assert load_params(best, _abstract(params)) is None
    save_params(best, params, {"epoch": 1})
    save_params(best, _state(2).params, {"epoch": 2})
    found, meta = load_params(best, _abstract(params))
    _assert_equal(found, _state(2).params)
    assert meta == {"epoch": 2}
    assert len(list(best.iterdir())) == 1
    with Checkpoints(folder) as saved:
        assert saved.steps() == [1, 2]
        assert saved.restore(_abstract(_state(0)))[0] == 2
