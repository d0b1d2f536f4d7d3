"""The Python that README and docs show runs; every line of a shell is of a kind that is tested somewhere."""

import configparser
import contextlib
import inspect
import re

import pytest

from mmea_jax import api
from tests.docs.test_commands import PAGES, ROOT

BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
# Indented blocks are commands, but for pictures and layouts, which begin with no program.
SHELL = re.compile(r' {4,}("|(\.venv/bin/|)(python3?|pip|ruff|srun|gcloud|cd|export|shuf|curl|git)\b)')
EXTRA = re.compile(r"'\.\[([\w,-]+)\]'")
# The first words of a line of a shell, and what keeps such lines true.
TESTED = {
    "python -m mmea_jax": "tests/docs/test_commands.py",
    "python -m experiments": "tests/docs/test_commands.py",
    "python docs/make_api.py": "tests/docs/test_api_reference.py",
    "python -m pytest": ".ci/run",
    ".venv/bin/python -m pytest": ".ci/run",
    ".venv/bin/ruff": ".ci/run",
    "python3 -m venv": ".ci/run",
    "pip install": "test_extras_that_are_installed_exist",
}
# What takes a cluster or a pod; the command that it starts is parsed like any other.
ELSEWHERE = ("srun", "gcloud", "cd mmea_jax && pip install", "export XLA_FLAGS=", '"')


def blocks():
    for page in PAGES:
        for k, match in enumerate(BLOCK.finditer(page.read_text(encoding="utf-8"))):
            # The method of that page is trained by tests/docs/test_api_reference.py.
            if page.stem != "extending":
                yield pytest.param(match[1], id=f"{page.stem}-{k}")


@pytest.fixture
def recorded(monkeypatch, tmp_path):
    """The three calls of the API do nothing but look at their arguments; which were made, in order."""
    calls = []
    (tmp_path / "alignment.tsv").write_text(
        "entity1\tentity2\tprobability\tstatus\nhttp://a/x\thttp://b/y\t0.9\tmatched\n"
    )
    answers = {
        "align": api.Alignment(tmp_path, {}),
        "train": api.Trained(tmp_path, {"model": "mimea", "dataset": "synthetic"}),
        "load_data": ("graphs", "split"),
    }

    def only_bound(name, signature):
        def call(*given, **named):
            signature.bind(*given, **named)
            calls.append(name)
            return answers[name]

        return call

    for name in answers:
        monkeypatch.setattr(api, name, only_bound(name, inspect.signature(getattr(api, name))))
    return calls


@pytest.mark.parametrize("source", list(blocks()))
def test_python_that_is_shown_runs(source, recorded):
    with contextlib.redirect_stdout(None):
        exec(compile(source, "page", "exec"), {})
    assert recorded


def test_the_pages_show_the_three_calls(recorded):
    for parameters in blocks():
        exec(compile(parameters.values[0], "page", "exec"), {})
    assert set(recorded) == {"align", "load_data", "train"}


def shell_lines():
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for line in re.sub(r"\\\n\s*", "", text).splitlines():
            if SHELL.match(line):
                yield page, line.strip()


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


def test_extras_that_are_installed_exist():
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg")
    shown = {name for page in PAGES for m in EXTRA.finditer(page.read_text()) for name in m[1].split(",")}
    assert {"test", "features"} <= shown <= set(metadata["options.extras_require"])
