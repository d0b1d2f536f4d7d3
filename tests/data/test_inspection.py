"""``describe`` says what a data set holds and what looks wrong, of every layout."""

import subprocess
import sys

from mmea_jax.data.inspection import main
from tests.data.own.world import World


def test_a_published_data_set(tiny, tmp_path, capsys):
    plot = tmp_path / "plot.png"
    assert main([str(tiny.folder), "--plot", str(plot)]) == 0
    out = capsys.readouterr().out
    assert "Tiny/a_b: 8 (4 + 4) entities" in out
    assert "visual: no file of features" in out
    assert "1 triples from an entity to itself" in out
    assert "1 entities of KG 1 without a link" in out
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_images_are_counted_where_there_are_any(tiny, images, tmp_path, capsys):
    tiny.write_features(images)
    assert main([str(tiny.folder), "--plot", str(tmp_path / "plot.png")]) == 0
    assert "visual: width 3, present for 50.0%" in capsys.readouterr().out


def test_a_data_set_by_names_has_two_graphs(tmp_path, capsys):
    folder = tmp_path / "Small" / "a_b"
    folder.mkdir(parents=True)
    (folder / "rel_triples_1").write_text("a/Red\tgrows\ta/Pear\na/Pear\tnear\ta/Old\n")
    (folder / "rel_triples_2").write_text("b/Red\tgrows\tb/Pear\n")
    (folder / "ent_links").write_text("a/Red\tb/Red\na/Pear\tb/Pear\n")
    assert main([str(folder), "--plot", str(tmp_path / "plot.png")]) == 0
    out = capsys.readouterr().out
    assert "Small/a_b: 5 (3 + 2) entities" in out
    assert "visual: no file of features" in out
    # What is there in half is at fault, and no reason to go on without.
    (folder / "clip_image_1.pkl").write_bytes(b"")
    assert main([str(folder), "--plot", str(tmp_path / "plot.png")]) == 2
    assert "clip_image_1.pkl alone" in capsys.readouterr().err


def test_one_graph_in_rdf(tmp_path, capsys):
    world = World(tmp_path)
    assert main([str(world.left), "--plot", str(tmp_path / "plot.png")]) == 0
    out = capsys.readouterr().out
    assert "105 entities" in out
    assert "name 100.0%" in out
    assert "languages of names: en" in out
    assert "duplicate triples" in out


def test_a_completion_set(tmp_path, capsys):
    folder = tmp_path / "MKGC" / "Tiny"
    folder.mkdir(parents=True)
    (folder / "entity2id.txt").write_text("6\n" + "".join(f"http://e/{i}\t{i}\n" for i in range(6)))
    (folder / "relation2id.txt").write_text("2\nr\t0\ns\t1\n")
    triples = [f"{i} {(i + 1) % 6} {i % 2}" for i in range(6)]
    (folder / "train2id.txt").write_text("\n".join(["6", *triples]) + "\n")
    for part, line in (("valid", "0 2 0"), ("test", "1 3 1")):
        (folder / f"{part}2id.txt").write_text(f"1\n{line}\n")
    assert main([str(folder), "--plot", str(tmp_path / "plot.png")]) == 0
    assert "degrees in training" in capsys.readouterr().out


def test_data_at_fault_end_in_one_error(tiny, tmp_path, capsys):
    tiny.write("triples_1", "0 7\n")
    assert main([str(tiny.folder), "--plot", str(tmp_path / "plot.png")]) == 2
    assert "triples_1:1" in capsys.readouterr().err
    assert main([str(tmp_path / "nothing"), "--plot", str(tmp_path / "plot.png")]) == 2


def test_the_command_runs_without_warnings(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "mmea_jax.data.describe", "--help"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "degrees" in done.stdout
