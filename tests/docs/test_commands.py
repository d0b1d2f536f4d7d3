"""Every command that README and docs show is one that the programs take."""

import argparse
import copy
import importlib
import re
import shlex
import sys
import warnings
from pathlib import Path

import pytest
from absl import flags
from ml_collections import config_flags

from mmea_jax import main
from mmea_jax.training.completion.settings import read_completion_settings
from mmea_jax.training.settings import read_settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Whose parser is not in the module of the command's name.
ELSEWHERE = {
    "mmea_jax.report": "mmea_jax.report.__main__",
    "experiments.benchmarks": "experiments.benchmarks.__main__",
    "mmea_jax.data.describe": "mmea_jax.data.inspection",
}
COMMAND = re.compile(r"python -m ((?:mmea_jax|experiments)[\w.]*)([^`\n]*)")
OVERRIDE = re.compile(r"`(--config\.[\w.]+=[^`]+)`")


def shown(pattern):
    """Everything that the pages show, continued lines joined, usage patterns left out."""
    for page in PAGES:
        text = re.sub(r"\\\n\s*", "", page.read_text(encoding="utf-8"))
        for match in pattern.finditer(text):
            # '[…]', '<method>' and '…' stand for what the reader fills in, and the method that
            # docs/extending.md adds is not here.
            if not re.search(r"[\[\]<>…]|ZH|ITERATIVE|\.\.\.|configs/plain", match[0]):
                yield pytest.param(match, id=f"{page.stem}: {match[0][:70]}")


def config_from(arguments):
    """The configuration that ``mmea_jax.main`` would read, by its own flags library."""
    values = flags.FlagValues()
    argv = ["main", *arguments]
    config_flags.DEFINE_config_file("config", flag_values=values, lock_config=True, sys_argv=argv)
    for flag in flags.FLAGS.get_flags_for_module(main):
        if flag.name != "config":
            values[flag.name] = copy.deepcopy(flag)
    with warnings.catch_warnings():
        # ml_collections loads the file by a method that Python deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        rest = values(argv)
        assert len(rest) == 1, f"unexpected {rest[1:]}"
    # What a run checks before it looks at any data: names, ranges, and which options go together.
    read = read_completion_settings if values.config.get("task") == "completion" else read_settings
    read(values.config)
    return values.config


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))


class ParsedError(Exception):
    """Raised in place of what a command would do once its flags are read."""


@pytest.mark.parametrize("match", list(shown(COMMAND)))
def test_the_command_is_understood(match, monkeypatch):
    module, arguments = match[1], shlex.split(match[2].split(" && ")[0].split(", written")[0])
    source = ROOT / f"{module.replace('.', '/')}.py"
    if source.is_file() and "DEFINE_config_file" in source.read_text(encoding="utf-8"):
        # Two programs with a flag --config cannot both be imported: the main one reads for both.
        config = [
            a for k, a in enumerate(arguments) if a.startswith("--config") or arguments[k - 1] == "--config"
        ]
        assert config_from(arguments if module == "mmea_jax.main" else config).method
        return
    parse = argparse.ArgumentParser.parse_args

    def only_parse(self, *given, **named):
        parse(self, *given, **named)
        raise ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", only_parse)
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    program = importlib.import_module(ELSEWHERE.get(module, module))
    start = program.run if module == "mmea_jax.align" else program.main
    if not arguments and module != "mmea_jax.data.download":
        # Named in a sentence rather than shown as a command: that it is there is all there is to see.
        assert callable(start)
        return
    with pytest.raises(ParsedError):
        start(arguments)


@pytest.mark.parametrize("match", list(shown(OVERRIDE)))
def test_the_override_is_one_that_some_configuration_takes(match):
    arguments = shlex.split(match[1])
    refused = {}
    for config in sorted((ROOT / "configs").glob("*.py")):
        try:
            config_from(["--config", str(config), *arguments])
        except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
            refused[config.stem] = error
        else:
            return
    pytest.fail(f"no configuration takes {arguments}: {refused}")


def test_the_pages_show_commands_at_all():
    assert len(list(shown(COMMAND))) > 20
    assert len(list(shown(OVERRIDE))) > 10


def test_a_misspelt_command_would_be_noticed():
    with pytest.raises((AttributeError, KeyError, flags.Error)):
        config_from(["--config", "configs/mimea.py", "--config.model.widht=3"])


def test_links_between_the_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page}: {target}"
