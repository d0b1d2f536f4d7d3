"""A large world in small: generated, trained on sampled neighbourhoods, embedded whole and matched."""

from experiments.large_graphs import parser, run


def test_from_nothing_to_hits(tmp_path):
    arguments = [
        "--folder",
        str(tmp_path / "world"),
        "--entities",
        "150",
        "--width",
        "8",
        "--neighbours",
        "3",
    ]
    arguments += ["--batch", "15", "--epochs", "12", "--learning_rate", "0.02", "--queries", "60"]
    found = run(parser().parse_args(arguments))
    assert found["entities"] == 300
    assert found["queries"] == 60
    assert found["steps"] == 36
    assert found["losses"][-1] < found["losses"][0] / 2
    # Chance is 1 and 10 of 150.
    assert found["hits@1"] > 5 / 150
    assert found["hits@10"] > 40 / 150
    assert set(found["seconds"]) == {"generate", "inputs", "train", "embed", "match"}
