"""The command line: what it refuses, with which words and exit code, and that it leaves nothing behind."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
CONFIG = "configs/mimea.py"
COMPLETION = "configs/adamf_mat.py"


def call(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "mmea_jax.main", *arguments],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=120,
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


def test_help_names_the_flags():
    done = call("--help")
    assert done.returncode == 0
    for flag in ("--config", "--workdir", "--mode", "--query"):
        assert flag in done.stdout
