"""The report is one page that needs nothing else, whatever a run left."""

import html.parser
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from mmea_jax.errors import InputError
from mmea_jax.report.__main__ import main
from mmea_jax.report.figures import FIGURES, threshold
from mmea_jax.report.page import try_report, write_report
from mmea_jax.report.read import read_work

RESULTS = {
    "task": "alignment",
    "model": "mimea",
    "dataset": "<b>own</b>",
    "protocol": {"selection": "validated", "measured_on": "gold links", "simulated": ["visual"]},
    "counts": {"entities": 40, "test_links": 20},
    "floors": {"structure": 0.1, "char_cosine": 0.4},
    "unimodal": {"structure": {"hits@1": 0.3, "mrr": 0.4}, "visual": {"hits@1": 0.2, "mrr": 0.3}},
    "test": {"csls": {"l2r": {"hits@1": 0.8, "hits@10": 0.9, "mrr": 0.85}}},
    "by_degree": {
        "1-2": {"count": 12, "hits@1": 0.7, "mrr": 0.8}, ">20": {"count": 8, "hits@1": 1, "mrr": 1},
    },
    "by_modalities": {"relation+visual": {"count": 20, "hits@1": 0.8, "mrr": 0.85}},
    "confidence": {"visual": {"present": 0.5, "mean": 0.2, "deciles": np.linspace(0, 0.5, 11).tolist()}},
    "calibration": {"ece_after": 0.04, "threshold": 0.5},
    "alignment": {
        "seeds": 5, "matched": 15, "no_match": 5, "threshold": 0.6, "dangling": 0.2, "fitted_on": 10,
        "held_out": {"precision": 0.9, "recall": 0.8, "f1": 0.85},
        "gold": {
            "links": 20, "hits@1": 0.8, "ece": 0.05, "precision": 0.9, "recall": 0.7, "f1": 0.79,
            "no_match_precision": 0.5, "no_match_recall": None,
        },
        "curve": {
            "probability": [0.9, 0.6, 0.1], "precision": [1, 0.9, 0.7], "recall": [0.3, 0.8, 0.9],
            "f1": [0.46, 0.85, 0.79],
        },
    },
}  # fmt: skip


@pytest.fixture
def work(tmp_path):
    return fill(tmp_path)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A work directory with its report."""
    folder = fill(tmp_path_factory.mktemp("written"))
    write_report(folder)
    return folder


def fill(tmp_path):
    """A work directory with a bit of everything."""
    (tmp_path / "results.json").write_text(json.dumps(RESULTS))
    events = [
        {"stage": s, "epoch": e, "train": {"loss": 2.0 / e, "joint": 1.0 / e, "gradient_norm": 9.0}}
        | ({"valid_mrr": 0.5} if e == 2 else {})
        for s in ("one", "two")
        for e in (1, 2)
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, events)) + '\n{"torn')
    rng = np.random.default_rng(0)
    rows = ["entity1\tanswer\tpredicted\tscore\tmargin\tprobability\tcorrect\tdegree"]
    for i in range(20):
        wrong = i % 4 == 0
        rows.append(
            f'http://a/{i}\t{"" if i == 0 else f"http://b/{i}"}\t<script>"{i}"\t{rng.random():.4f}\t'
            f"{rng.random():.4f}\t{rng.random():.4f}\t{int(not wrong)}\t{i}"
        )
    (tmp_path / "evaluation.tsv").write_text("\n".join(rows) + "\n")
    (tmp_path / "evidence.tsv").write_text(
        "entity1\tentity2\tstatus\tprobability\tscore\tmargin\trunner_up\tsimilarity\tjoint\tvisual\t"
        "matched_neighbours\tneighbours_shown\tequal_values\n"
        "http://a/1\thttp://b/1\tmatched\t0.7\t1\t0.5\thttp://b/2\t1.5\t1.0\t0.5\t2\tx\tyear 1961\n"
    )
    return tmp_path


class Page(html.parser.HTMLParser):
    """Collects tags and what they point to."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_neither_network_nor_scripts(written):
    text = (written / "report" / "index.html").read_text()
    page = Page(text)
    assert page.open == []
    assert "script" not in page.tags
    assert page.links
    assert all(link.startswith("data:") for link in page.links)
    assert "http://" not in text.split("</style>")[0].replace("http://a", "")
    # Names of entities and data sets are text, never markup.
    assert "&lt;b&gt;own&lt;/b&gt;" in text
    assert "<b>own" not in text


def test_how_good_the_verdicts_are_stands_at_the_top(written):
    top = (written / "report" / "index.html").read_text().split("<section>")[0]
    tiles = dict(re.findall(r"<b>([\d.]+)</b><span>([^<]+)</span>", top))
    assert tiles["0.900"] == "precision of matches, gold links"
    assert tiles["0.500"] == "precision of no-match verdicts, gold links"
    # What could not be measured has no tile.
    assert not any("recall of no-match" in name for name in tiles.values())


def test_every_picture_that_there_are_numbers_for_lies_beside_the_page(written):
    drawn = {path.stem for path in (written / "report").glob("*.png")}
    assert drawn == {name for name, _, _ in FIGURES} - {"by_category", "sweep"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (written / "report").glob("*.png"))


def test_the_most_confident_mistakes_come_first(written):
    text = (written / "report" / "index.html").read_text()
    table = text.split("Most confident mistakes")[1].split("</table>")[0]
    shown = [float(cell.split("<")[0]) for cell in table.split("<td class=number>")[1::2]]
    assert shown == sorted(shown, reverse=True)
    # The entity without counterpart is a mistake only if its candidate was taken for one.
    taken = float((written / "evaluation.tsv").read_text().splitlines()[1].split("\t")[5]) >= 0.6
    assert len(shown) == 4 + taken
    assert ("no counterpart" in table) == taken
    assert "year 1961" in text


def test_the_chart_shows_the_threshold_of_the_verdicts_also_where_it_is_nought(work):
    for given in (0.6, 0.0):
        results = RESULTS | {"alignment": RESULTS["alignment"] | {"threshold": given}}
        (work / "results.json").write_text(json.dumps(results))
        (axis,) = threshold(read_work(work)).axes
        assert [line.get_label() for line in axis.get_lines()][-1] == f"threshold {given:.3f}"


def test_a_run_that_goes_on_has_a_report_too(work):
    (work / "results.json").unlink()
    (work / "evaluation.tsv").unlink()
    (work / "evidence.tsv").unlink()
    text = write_report(work).read_text()
    assert "has not finished" in text
    assert [path.name for path in (work / "report").glob("*.png")] == ["training.png"]


def test_a_picture_that_is_no_longer_true_goes(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"train": {"loss": 1.0}}\n')
    old = tmp_path / "report" / "calibration.png"
    old.parent.mkdir()
    old.write_bytes(b"old")
    write_report(tmp_path)
    assert not old.exists()


def test_a_study_is_drawn_by_missing_rate(tmp_path):
    lines = ["method,data,modality,rate,ambiguous,seed,hits@1,mrr"]
    lines += [f"{m},synthetic,visual,{r},0,{s},0.5,0.6" for m in "ab" for r in (0.1, 1) for s in (0, 1)]
    (tmp_path / "cells.csv").write_text("\n".join([*lines, "c,synthetic,visual,any,0,0,0.3,0.4"]) + "\n")
    assert main([str(tmp_path)]) == 0
    assert [path.stem for path in (tmp_path / "report").glob("*.png")] == ["sweep"]


def test_completion_results_are_shown(tmp_path):
    results = {
        "task": "completion",
        "model": "rotate",
        "test": {"filtered": {"both": {"mrr": 0.4, "hits@1": 0.3, "hits@10": 0.5}}},
        "by_category": {"1-1": {"count": 3, "hits@1": 0.5, "mrr": 0.6}},
    }
    (tmp_path / "results.json").write_text(json.dumps(results))
    text = write_report(tmp_path).read_text()
    assert "By relation" in text
    assert "0.400" in text


def test_a_folder_without_a_run_is_refused(tmp_path, capsys):
    with pytest.raises(InputError, match=r"results\.json"):
        write_report(tmp_path)
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "no such folder" in capsys.readouterr().err
    # At the end of a run nothing may undo it.
    assert try_report(tmp_path) is None


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on the PATH to open the page with")
def test_a_browser_shows_it_and_has_nothing_to_complain_of(work):
    page, shot = write_report(work), work / "shot.png"
    # A profile of its own, and nothing that would look for a network.
    quiet = ["gpu", "quic", "sync", "background-networking", "component-update"]
    flags = ["--headless", "--no-sandbox", "--no-first-run", *(f"--disable-{what}" for what in quiet)]
    flags += [f"--user-data-dir={work / 'profile'}", "--enable-logging=stderr", f"--screenshot={shot}"]
    done = subprocess.run(
        ["chromium", *flags, page.as_uri()], capture_output=True, text=True, timeout=300, check=True
    )
    assert shot.stat().st_size > 20_000
    assert "CONSOLE" not in done.stderr
