"""From two graphs of the user's own to an alignment: what ``python -m mmea_jax.align`` and notebooks call."""

import dataclasses
import importlib.util
import json
import logging
from collections.abc import Sequence
from pathlib import Path

from ml_collections import ConfigDict

from mmea_jax.data.cache import default_folder
from mmea_jax.data.own import OWN
from mmea_jax.errors import InputError
from mmea_jax.training import system
from mmea_jax.training.interrupts import Signals
from mmea_jax.training.own.config import own_config
from mmea_jax.training.own.images import feature_file
from mmea_jax.training.own.outputs import ALIGNMENT
from mmea_jax.training.own.run import OutputOptions, OwnRun
from mmea_jax.training.own.unchanged import INPUTS, digests, refuse_changed
from mmea_jax.training.settings import read_settings
from mmea_jax.training.writers import RunFolder

log = logging.getLogger("mmea_jax")


@dataclasses.dataclass(frozen=True)
class Alignment:
    """A finished alignment.

    Attributes:
      folder: what was written.
      results: as in ``results.json``.
    """

    folder: Path
    results: dict

    @property
    def path(self) -> Path:
        """``alignment.tsv``."""
        return self.folder / ALIGNMENT

    def rows(self) -> list[dict[str, str]]:
        """Lines of ``alignment.tsv``, every field as text."""
        header, *lines = self.path.read_text(encoding="utf-8").rstrip("\n").split("\n")
        names = header.split("\t")
        return [dict(zip(names, line.split("\t"), strict=True)) for line in lines]

    def pairs(self) -> list[tuple[str, str, float]]:
        """Entity of KG 1, its counterpart and the probability, for all that are matched and all seeds."""
        return [
            (row["entity1"], row["entity2"], float(row["probability"]))
            for row in self.rows()
            if row["status"] != "no_match"
        ]


def align_graphs(
    left: str | Path,
    right: str | Path,
    seeds: str | Path | None = None,
    out: str | Path = "alignment",
    *,
    gold: str | Path | None = None,
    images: tuple[str | Path | None, str | Path | None] = (None, None),
    image_model: str | None = None,
    labels: Sequence[str] = (),
    unsupervised: bool = False,
    seeds_alone: bool = False,
    lenient: bool = False,
    one_to_one: bool = False,
    threshold: float | None = None,
    dangling: float | None = None,
    config: ConfigDict | str | Path | None = None,
    epochs: int = 0,
    seed: int = 0,
    signals: Signals | None = None,
) -> Alignment:
    """Aligns two graphs and writes everything into ``out``; run again, it goes on where it stopped.

    Args:
      left: KG 1, a file or folder: N-Triples, Turtle, RDF/XML, TSV, CSV or the published layout.
      right: KG 2.
      seeds: links that are known; without any the most similar names, or else images, stand in.
      out: folder for the results.
      gold: links to measure against; they train nothing.
      images: of KG 1 and KG 2: a file of features, or a folder or table of pictures.
      image_model: path or identifier of the image encoder, where pictures are to be encoded.
      labels: further predicates whose values are names.
      unsupervised: go on, by similar names or images, with fewer seeds than it takes.
      seeds_alone: train on the seeds alone, even where pairs of similar names would join them.
      lenient: leave out links that name no entity or contradict another, instead of refusing them.
      one_to_one: give no entity of KG 2 to two of KG 1.
      threshold: probability from which on a pair is a match; None for the one of largest F1.
      dangling: share of KG 1 without counterpart; None for an estimate.
      config: a configuration, or the file of one, in place of ``own_config``.
      epochs: caps the passes of every stage; 0 for no cap.
      seed: of everything random.
      signals: stop training at the end of a pass.

    Raises:
      InputError: bad input, or ``out`` holds an alignment of files that have changed since; the error says
        where and how to mend it.
      Interrupted: a signal came.
    """
    _check(threshold, dangling)
    system.use_compilation_cache(default_folder() / "compiled")
    out = Path(out)
    config = _config(config, seeds)
    config.seed = seed
    config.train.max_epochs = epochs or config.train.max_epochs
    own = config.data.own
    own.left, own.right, own.seeds = str(left), str(right), str(seeds or "")
    own.gold, own.labels, own.lenient = str(gold or ""), tuple(labels), lenient
    own.few, own.alone = unsupervised or seeds is None, seeds_alone
    files = [str(feature_file(image, k, out, image_model) or "") for k, image in enumerate(images, start=1)]
    own.images_left, own.images_right = files
    output = OutputOptions(one_to_one, threshold, dangling)
    settings = read_settings(config)
    inputs = digests(settings.data.own)
    refuse_changed(out, inputs)
    finished = RunFolder(out).finished(config.to_dict())
    if finished and finished["alignment"]["asked"] == dataclasses.asdict(output):
        return Alignment(out, finished)
    run = OwnRun(settings, config.to_dict(), out, output)
    if finished:
        return Alignment(out, run.evaluate())
    run.folder.write_text(INPUTS, json.dumps(inputs, indent=1) + "\n")
    return Alignment(out, run.train(signals))


def _check(threshold: float | None, dangling: float | None) -> None:
    for flag, value in (("--threshold", threshold), ("--dangling", dangling)):
        if value is not None and not 0 <= value <= 1:
            raise InputError(f"{flag} {value}", expected="a number from 0 to 1", mend=f"change {flag}")


def _config(config: ConfigDict | str | Path | None, seeds: str | Path | None) -> ConfigDict:
    if config is None:
        return own_config(_lines(seeds))
    if isinstance(config, ConfigDict):
        return config.copy_and_resolve_references()
    path = Path(config)
    if not path.is_file():
        raise InputError(
            "no such file", expected="a file such as configs/umaea.py", mend="correct --config", file=path
        )
    spec = importlib.util.spec_from_file_location("config", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config(OWN)


def _lines(seeds: str | Path | None) -> int:
    """How many links a file has, roughly; it only sets the number of passes."""
    path = Path(seeds) if seeds else None
    if path is None or not path.is_file():
        return 0
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
