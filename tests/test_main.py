"""The command line: what it refuses, with which words and exit code, and that it leaves nothing behind."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
CONFIG = "configs/mimea.py"
COMPLETION = "configs/adamf_mat.py"


def call(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "mmea_jax.main", *arguments],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["--config is missing"]),
        (["--config", "configs/mimae.py"], ["configs/mimae.py", "did you mean", "correct --config"]),
        (["--config", CONFIG, "--config.data.visul=none"], ["data.visul", "did you mean 'visual'"]),
        (["--config", CONFIG, "--config.train.max_epochs=abc"], ["train.max_epochs = 'abc'", "int"]),
        (["--config", CONFIG, "--config.train.protocol=publishd"], ["did you mean 'published'"]),
        (["--config", CONFIG, "--config.data.seed_ratio=1.5"], ["data.seed_ratio = 1.5", "(0, 1]"]),
        (["--config", CONFIG, "--config.method=mimae"], ["mimae", "did you mean 'mimea'"]),
        (["--config", f"{CONFIG}:DBP15K/zh_en", "--config.data.root=nowhere"], ["nowhere"]),
        (["--config", CONFIG, "--mode", "eval"], ["--mode eval without --workdir"]),
        (["--config", CONFIG, "--mode", "predict", "--workdir", "x"], ["predict with an alignment method"]),
        (["--config", COMPLETION, "--mode", "align", "--workdir", "x"], ["align with a completion method"]),
        (["--config", COMPLETION, "--config.model.scorer=rotat"], ["did you mean 'rotate'"]),
        (["--config", CONFIG, "--config.train.on_nan=skp"], ["did you mean 'skip'"]),
        (["--config", COMPLETION, "--config.train.on_nan=skp"], ["did you mean 'skip'"]),
        (["--config", f"{CONFIG}:../x"], ["data.dataset = '../x'", "without '..'"]),
        (["--config", CONFIG, "--mode", "eval", "--workdir", "x", "--fresh"], ["--fresh with --mode eval"]),
    ],
)
def test_bad_command_lines_get_one_sentence_and_exit_code_2(arguments, words, tmp_path):
    done = call(*arguments)
    assert done.returncode == 2, done.stderr
    message = done.stderr.strip().splitlines()[-1]
    assert message.startswith("mmea_jax: ")
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in message


def test_training_that_diverges_gets_one_sentence_and_exit_code_3(tmp_path):
    done = call(
        "--config", "configs/distmult.py", "--workdir", str(tmp_path / "run"),
        "--config.data.synthetic.entities=60", "--config.model.dim=4", "--config.train.negatives=2",
        "--config.train.batch_size=64", "--config.train.max_epochs=2", "--config.train.learning_rate=1e30",
        timeout=600,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    message = done.stderr.strip().splitlines()[-1]
    assert message.startswith("mmea_jax: stage 1 of 1, epoch 1, step ")
    assert "is not finite" in message
    assert "--config.train.on_nan=skip" in message
    assert "Traceback" not in done.stderr


def test_help_names_the_flags():
    done = call("--help")
    assert done.returncode == 0
    for flag in ("--config", "--workdir", "--fresh", "--mode", "--query"):
        assert flag in done.stdout
