"""Every program that the pages show is run by a test, and what they show in part, such as flags, exists."""

import ast
import contextlib
import importlib
import io
import re
import shlex
import sys
from pathlib import Path

import pytest
from absl import flags

from mmea_jax import main
from mmea_jax.training.methods import METHODS
from tests.docs.test_commands import COMMAND, ELSEWHERE, PAGES, ROOT, config_from
from tests.small import CONFIGS, load_config

TESTS = Path(__file__).parents[1]
# Program to the test that runs it, from its flags to what it leaves.
RUN_BY = {
    "mmea_jax.main": "training/subruns.py",
    "mmea_jax.align": "training/own/test_align.py",
    "mmea_jax.report": "report/test_page.py",
    "mmea_jax.data.convert": "data/test_named.py",
    "mmea_jax.data.describe": "data/test_inspection.py",
    "mmea_jax.data.download": "data/test_download.py",
    "mmea_jax.encoders.abstracts": "encoders/test_abstracts.py",
    "mmea_jax.encoders.images": "encoders/test_images.py",
    "mmea_jax.encoders.text": "encoders/test_text.py",
    "experiments.ablation": "experiments/test_ablation.py",
    "experiments.benchmarks": "experiments/test_benchmarks.py",
    "experiments.benchmarks.checkpoints": "experiments/test_benchmarks.py",
    "experiments.compare": "experiments/test_compare.py",
    "experiments.large_graphs": "experiments/test_large_graphs.py",
    "experiments.missing_modality": "experiments/test_missing_modality.py",
    "experiments.own_graphs": "experiments/test_own_graphs.py",
}
# Configuration to the test that trains it, shrunk.
TRAINED_BY = {
    "adamf_mat": "training/completion/test_completion_run.py",
    "complex": "training/completion/test_completion_run.py",
    "distmult": "training/completion/test_completion_run.py",
    "eva": "training/test_run.py",
    "mclea": "training/test_baselines.py",
    "meaformer": "training/test_baselines.py",
    "mimea": "test_api.py",
    "msnea": "training/test_triple_training.py",
    "rotate": "training/completion/test_completion_run.py",
    "tmea": "training/test_tmea_run.py",
    "transe": "training/completion/test_completion_run.py",
    "umaea": "training/test_umaea_run.py",
}
SPAN = re.compile(r"`([^`\n]+)`")


def page_text(page):
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def spans(pattern):
    """What the pages show in line and begins so, once each."""
    found = {span for page in PAGES for span in SPAN.findall(page_text(page)) if re.match(pattern, span)}
    return sorted(span for span in found if not re.search(r"[\[\]<>…]", span))


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))


def programs():
    return {match[1] for page in PAGES for match in COMMAND.finditer(page.read_text(encoding="utf-8"))}


def starts(path):
    """Modules that a test imports, or names as a process's, and the functions that it calls."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules, calls = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            modules |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            modules |= set(re.findall(r"\b(?:mmea_jax|experiments)[\w.]*", node.value))
        elif isinstance(node, ast.Call):
            calls.add(getattr(node.func, "attr", getattr(node.func, "id", "")))
    return modules, calls


def test_every_program_that_is_shown_is_run_by_a_test():
    assert programs() == set(RUN_BY)
    for program, test in RUN_BY.items():
        modules, calls = starts(TESTS / test)
        assert {program, ELSEWHERE.get(program, program)} & modules, f"{test} has nothing of {program}"
        assert calls & {"main", "run", "Popen"}, f"{test} starts nothing"


def test_every_configuration_is_trained_by_a_test():
    assert set(TRAINED_BY) == {path.stem for path in CONFIGS.glob("*.py")}
    assert set(TRAINED_BY) >= set(METHODS)
    for name, test in TRAINED_BY.items():
        assert f'"{name}"' in (TESTS / test).read_text(encoding="utf-8")


def helped(program):
    """What a program says of its flags."""
    if program == "mmea_jax.main":
        return " ".join(f"--{flag.name}" for flag in flags.FLAGS.get_flags_for_module(main))
    module = importlib.import_module(ELSEWHERE.get(program, program))
    start = module.run if program == "mmea_jax.align" else module.main
    said = io.StringIO()
    code = 0
    with contextlib.redirect_stdout(said):
        try:
            code = start(["--help"]) if start.__code__.co_argcount else start()
        except SystemExit as stopped:
            code = stopped.code
    assert code == 0
    return said.getvalue()


@pytest.fixture
def says(monkeypatch):
    """Program to its flags; one with a flag --config of absl cannot be imported beside the main one."""
    monkeypatch.setattr(sys, "argv", ["program", "--help"])
    return {name: helped(name) for name in RUN_BY if name != "experiments.benchmarks.checkpoints"}


def test_the_modes_that_the_usage_shows_are_all_that_there_are():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = {mode for modes in re.findall(r"\[--mode ([\w|]+)\]", text) for mode in modes.split("|")}
    assert shown == set(main.MODES)


def test_every_program_says_what_it_takes_and_every_flag_in_the_text_is_of_one(says):
    assert all("--" in text for text in says.values())
    taken = {flag for text in says.values() for flag in re.findall(r"--[\w-]+", text)}
    named = {shlex.split(span)[0] for span in spans(r"--(?!config)[a-z]")}
    assert len(named) > 15
    assert named <= taken | {"--help"}


def has_key(config, path):
    for part in path:
        if part not in (config.keys() if hasattr(config, "keys") else ()):
            return False
        config = config[part]
    return True


def test_every_key_in_the_text_is_one_of_a_configuration():
    shown = [span for span in spans(r"--config\.[\w.*]+$")]
    assert shown
    configs = [load_config(name) for name in TRAINED_BY]
    for span in shown:
        path = span.removeprefix("--config.").removesuffix(".*").split(".")
        assert any(has_key(config, path) for config in configs), span


@pytest.mark.parametrize("span", spans(r"--(config configs|mode|fresh)"))
def test_flags_that_a_table_adds_are_understood(span):
    arguments = shlex.split(span)
    asked = [] if "--config" in arguments else ["--config", "configs/mimea.py"]
    assert config_from([*asked, *arguments]).method


def results_rows():
    """What follows ``--config configs/mimea.py`` in README's first table of results, written out."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    short = {
        "ZH": re.search(r"`ZH` stands\s+for\s+`([^`]+)`", text)[1],
        "ITERATIVE": re.search(r"\| iterative learning \| `([^`]+)`", text)[1],
    }
    table = text.split("| rest of the command |")[1].split("\n\n")[0]
    for row in table.splitlines()[2:]:
        cell = row.split("|")[2].strip().strip("`")
        yield re.sub(r"ZH|ITERATIVE", lambda match: short[match[0]], cell)


def test_the_commands_of_the_results_are_understood():
    rows = list(results_rows())
    assert len(rows) >= 6
    found = [config_from(["--config", *shlex.split(f"configs/mimea.py{row}")]) for row in rows]
    assert {"synthetic", "DBP15K/zh_en", "DBP15K/ja_en", "FBDB15K/norm"} <= {c.data.dataset for c in found}
    assert {c.stages.main.epochs for c in found} >= {30}


def test_the_methods_that_a_placeholder_stands_for_are_understood():
    assert "configs/<method>.py" in (ROOT / "README.md").read_text(encoding="utf-8")
    for name in METHODS:
        assert config_from(["--config", f"configs/{name}.py"]).method == name


@pytest.mark.parametrize("name", sorted(TRAINED_BY))
def test_the_paper_of_each_method_is_cited(name):
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    heading = (CONFIGS / f"{name}.py").read_text(encoding="utf-8").split("\n\n")[0]
    sources = re.findall(r"(?:arXiv|OpenReview|doi) ([\w./]+\w)", heading)
    assert all(source in cited for source in sources)
    assert re.search(rf'title: "{name.replace("_", "-")}: ', cited, re.IGNORECASE)


def test_every_row_of_a_table_has_the_cells_of_its_heading():
    rows = 0
    for page in PAGES:
        width = 0
        for line in page.read_text(encoding="utf-8").splitlines():
            if not line.startswith("|"):
                width = 0
                continue
            # A line within a cell splits it, also within code, unless a backslash stands before it.
            cells = len(re.findall(r"(?<!\\)\|", line))
            width, rows = width or cells, rows + 1
            assert cells == width, f"{page.name}: {line[:80]}"
    assert rows > 50
