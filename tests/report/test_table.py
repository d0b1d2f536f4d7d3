import copy

import pytest

from mmea_jax.report import results_table


def _ranks(hit):
    return {"hits@1": hit, "hits@5": 0.7, "hits@10": 0.8, "hits@50": 0.9, "mr": 1234.56, "mrr": 0.61}


RESULTS = {
    "task": "alignment",
    "model": "mimea",
    "dataset": "DBP15K/zh_en",
    "protocol": {
        "selection": "validated",
        "candidates": "test",
        "csls_k": 3,
        "split": "seed_ratio 0.3, a quite long description of how links were drawn",
        "split_sha256": "0123456789abcdef" * 4,
        "iterative": True,
        "names_used": False,
        "simulated": ["visual"],
    },
    "counts": {
        "entities": 38960,
        "triples": 165556,
        "test_links": 10500,
        "modalities": {
            "visual": {"present": 0.05},
            "structure": {"present": 1.0},
            "relation": {"present": 0.991},
        },
    },
    "floors": {"char_cosine": 0.692, "structure": 0.2, "visual": 0.0, "name_equality": 0.38},
    "unimodal": {
        "visual": {"hits@1": 0.01, "mrr": 0.02},
        "structure": {"hits@1": 0.497, "mrr": 0.581},
    },
    "test": {
        "cosine": {"l2r": _ranks(0.55), "r2l": _ranks(0.54)},
        "csls": {"l2r": _ranks(0.62), "r2l": _ranks(1.0)},
    },
    "assignment": {
        "sinkhorn": {"accuracy": 0.715, "converged": False, "iterations": 200},
        "mutual_nearest": {"precision": 0.9, "recall": 0.5, "f1": 0.643},
    },
    "by_degree": {
        "0": {"count": 12, "hits@1": 0.1, "mrr": 0.15},
        ">20": {"count": 1500, "hits@1": 0.8, "mrr": 0.85},
    },
    "by_modalities": {
        "structure+relation+attribute+visual+name+char": {"count": 7, "hits@1": 0.3, "mrr": 0.4},
        "none": {"count": 1, "hits@1": 0.0, "mrr": 0.01},
    },
    "calibration": {"temperature": 0.0512, "ece_before": 0.31, "ece_after": 0.028, "threshold": 0.44},
    "pseudo_links": {"accepted": 3021, "precision": 0.87},
    "seconds": {"load": 1.25, "compile": 20.0, "train": 3600.0, "evaluate": 4.0},
    "seconds_per_epoch": 0.456,
    "seconds_per_step": 0.0789,
    "peak_memory_bytes": 3 << 30,
    "devices": {"platform": "gpu", "kind": "NVIDIA H200", "count": 2, "processes": 1},
}


def test_consensus_is_no_gain_of_fusion():
    results = RESULTS | {"without_consensus": {"cosine": {"l2r": _ranks(0.5)}, "csls": {"l2r": _ranks(0.55)}}}
    text = results_table(results)
    assert _line(text, "csls l2r, no consensus").split()[4] == ".550"
    # Structure alone has .497.
    assert "+.053 Hits@1" in _line(text, "fusion gains")
    assert "+.123 Hits@1" in _line(results_table(RESULTS), "fusion gains")


def _line(text, *words):
    found = [line for line in text.splitlines() if all(word in line for word in words)]
    assert len(found) == 1, (words, found)
    return found[0]


def test_every_number_stands_beside_its_name():
    text = results_table(RESULTS, path="runs/first/results.json")
    assert text.splitlines()[0] == "mimea on DBP15K/zh_en"
    assert _line(text, "char_cosine").split() == ["char_cosine", ".692"]
    assert _line(text, "structure", ".581").split() == ["structure", ".497", ".581"]
    assert _line(text, "csls l2r").split()[2:] == [".620", ".700", ".800", ".900", "1,234.6", ".610"]
    assert _line(text, "csls r2l").split()[2] == "1.000"
    assert _line(text, "all modalities fused").split()[3:] == [
        "Hits@1",
        "Hits@5",
        "Hits@10",
        "Hits@50",
        "MR",
        "MRR",
    ]
    assert _line(text, "structure+relation+attribute+visual+name+char").split()[1:] == ["7", ".300", ".400"]
    assert _line(text, ">20").split() == [">20", "1,500", ".800", ".850"]
    assert "3,021 accepted; precision .870" in _line(text, "pseudo-links")
    assert ".310 -> .028 on test links" in _line(text, "calibration")
    assert "load 1.25; compile 20; train 3,600.0; evaluate 4" in _line(text, "  seconds")
    assert "peak memory 3.00 GiB" in _line(text, "0.456 s an epoch", "78.9 ms a step")
    assert "2 x NVIDIA H200 (gpu); processes 1" in text
    assert "runs/first/results.json" in text.splitlines()[-1]


def test_it_fits_a_terminal_in_plain_text():
    text = results_table(RESULTS)
    assert text.isascii()
    assert text.isprintable() or set(c for c in text if not c.isprintable()) == {"\n"}
    assert max(map(len, text.splitlines())) <= 100


def test_numbers_of_a_table_end_in_the_same_columns():
    lines = results_table(RESULTS).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("all modalities fused"))
    assert len({len(line) for line in lines[start : start + 5]}) == 1


def test_simulated_modalities_are_marked_wherever_they_stand():
    text = results_table(RESULTS)
    assert "visual 5.0% SIMULATED" in _line(text, "relation 99.1%")
    assert sum("visual SIMULATED" in line for line in text.splitlines()) == 2
    assert "structure SIMULATED" not in text


def test_unconverged_assignment_is_told():
    assert "NOT CONVERGED, 200 iterations" in _line(results_table(RESULTS), "sinkhorn")


@pytest.mark.parametrize(
    ("hits", "expected"),
    [
        (0.62, "fusion gains +.123 Hits@1 over the best single modality (structure .497)"),
        (0.4, "fusion loses .097 Hits@1 against the best single modality (structure .497)"),
    ],
)
def test_what_fusion_is_worth(hits, expected):
    results = copy.deepcopy(RESULTS)
    results["test"]["csls"]["l2r"]["hits@1"] = hits
    assert expected in results_table(results)


@pytest.mark.parametrize("missing", [*RESULTS, None])
def test_whatever_is_missing_is_left_out(missing):
    text = results_table({key: value for key, value in RESULTS.items() if key != missing})
    assert "None" not in text
    assert not any(line.endswith(" ") for line in text.splitlines())
    assert "\n\n\n" not in text


def test_nothing_at_all():
    assert results_table({}) == ""


def test_every_part_alone():
    for key, value in RESULTS.items():
        results_table({key: value})


def test_null_reads_as_unknown():
    results = copy.deepcopy(RESULTS)
    results["test"]["csls"]["l2r"]["hits@1"] = None
    results["unimodal"]["structure"]["hits@1"] = None
    results["seconds"]["compile"] = None
    results["counts"]["modalities"]["visual"]["present"] = None
    results["calibration"]["ece_before"] = None
    results["peak_memory_bytes"] = None
    text = results_table(results)
    assert _line(text, "csls l2r").split()[2] == "-"
    assert "compile -" in text
    assert "fusion" not in text


def test_completion_results():
    both = {"mrr": 0.35, "mr": 210.0, "hits@1": 0.25, "hits@3": 0.4, "hits@10": 0.5}
    results = {
        "task": "completion",
        "model": "nativ",
        "dataset": "DB15K",
        "test": {"filtered": {"both": both}},
    }
    text = results_table(results)
    assert _line(text, "filtered both").split()[2:] == [".250", ".400", ".500", "210.0", ".350"]
    assert len(_line(text, "filtered both")) == len(_line(text, "Hits@3"))


def test_long_names_are_cut_to_the_width():
    results = copy.deepcopy(RESULTS)
    results["test"] = {"m" * 200: {"l2r": _ranks(0.5)}}
    results["by_modalities"] = {"m" * 200: {"count": 1, "hits@1": 0.5, "mrr": 0.5}}
    assert max(map(len, results_table(results).splitlines())) == 100
