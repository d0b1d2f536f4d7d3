"""Images to vectors: the encoder, files that are missing or damaged, the command."""

from urllib.parse import quote

import numpy as np
import pytest

from mmea_jax.data import load
from mmea_jax.data.formats.features import read_features
from mmea_jax.data.own.images import visual_features
from mmea_jax.encoders.image_encoder import ImageEncoder
from mmea_jax.encoders.image_files import image_files
from mmea_jax.encoders.images import main
from mmea_jax.errors import InputError
from mmea_jax.training.own.images import feature_file


def arguments(model, tmp_path, *more):
    out = tmp_path / "out.npz"
    common = ["--encoder", str(model), "--out", str(out), "--cache", str(tmp_path / "c.sqlite")]
    return [*common, *map(str, more)], out


def test_the_encoder_gives_what_the_model_pools(libraries, tiny_vision, picture, cache):
    torch, transformers = libraries
    from PIL import Image

    paths = [picture("a.png", 0), picture("b.png", 1), picture("a_again.png", 0)]
    vectors, faults = ImageEncoder(str(tiny_vision)).encode(paths, cache, batch_size=2)
    assert not faults
    model = transformers.AutoModel.from_pretrained(tiny_vision).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(tiny_vision)
    for position, path in enumerate(paths):
        with torch.inference_mode(), Image.open(path) as image:
            pixels = processor(images=image.convert("RGB"), return_tensors="pt")["pixel_values"]
            whole = model(pixel_values=pixels).pooler_output[0].numpy()
        np.testing.assert_allclose(vectors[position], whole / np.linalg.norm(whole), atol=1e-5)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert not np.allclose(vectors[0], vectors[1])


def test_missing_and_damaged_files_stop_nothing(tiny_vision, picture, cache, tmp_path, monkeypatch):
    whole = picture("whole.png", 0)
    cut = tmp_path / "cut.png"
    cut.write_bytes(whole.read_bytes()[:200])
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    paths = [cut, whole, tmp_path / "none.png", text]
    encoder = ImageEncoder(str(tiny_vision))
    vectors, faults = encoder.encode(paths, cache, batch_size=4)
    assert list(vectors) == [1]
    assert faults[2] == "No such file or directory"
    assert all("unreadable" in faults[position] for position in (0, 3))
    # What could be read is not computed again, what could not be is looked at once more.
    monkeypatch.setattr(encoder, "_pooled", lambda pixels: pytest.fail("computed again"))
    again, faults = encoder.encode(paths, cache)
    np.testing.assert_array_equal(again[1], vectors[1])
    assert sorted(faults) == [0, 2, 3]
    vectors, faults = encoder.encode([text], cache)
    assert (vectors, list(faults)) == ({}, [0])


@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_other_colours_than_three_are_read(tiny_vision, picture, cache, mode):
    vectors, faults = ImageEncoder(str(tiny_vision)).encode([picture("p.png", 0, mode)], cache)
    assert list(vectors) == [0]
    assert not faults


def test_what_is_transparent_does_not_show(tiny_vision, tmp_path, cache):
    from PIL import Image

    paths = []
    for name, hidden in (("red", 255), ("dark", 0)):
        pixels = np.zeros((16, 16, 4), np.uint8)
        pixels[..., 0] = hidden
        pixels[:8, ..., 3] = 255
        pixels[:8, ..., :3] = 90
        paths.append(tmp_path / f"{name}.png")
        Image.fromarray(pixels).save(paths[-1])
    vectors, _ = ImageEncoder(str(tiny_vision)).encode(paths, cache)
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)


def test_a_two_tower_model_gives_its_image_vectors(libraries, tmp_path, picture, cache, tiny_vision):
    torch, transformers = libraries
    torch.manual_seed(0)
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.CLIPConfig(
        text_config={**small, "vocab_size": 35, "max_position_embeddings": 8},
        vision_config={**small, "image_size": 16, "patch_size": 8},
        projection_dim=6,
    )
    folder = tmp_path / "towers"
    transformers.CLIPModel(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text((tiny_vision / "preprocessor_config.json").read_text())
    vectors, _ = ImageEncoder(str(folder)).encode([picture("a.png", 0)], cache)
    assert vectors[0].shape == (6,)


def test_a_model_of_texts_is_refused(tiny_text):
    with pytest.raises(InputError, match="no image processor that can be loaded"):
        ImageEncoder(str(tiny_text))


def test_a_folder_or_a_table_says_whose_the_files_are(tmp_path):
    folder = tmp_path / "images"
    for name in ("17.jpg", "http%3A%2F%2Fa%2FAxe.PNG", "8/one.png", "8/two.webp", "notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    found = [(key, path.name) for key, path in image_files(folder)]
    assert found == [
        ("17", "17.jpg"),
        ("8", "one.png"),
        ("8", "two.webp"),
        ("http://a/Axe", "http%3A%2F%2Fa%2FAxe.PNG"),
    ]
    table = tmp_path / "table.tsv"
    table.write_text("http://a/Axe\timages/17.jpg\timages/8/one.png\n")
    assert image_files(table) == [
        ("http://a/Axe", tmp_path / "images/17.jpg"),
        ("http://a/Axe", tmp_path / "images/8/one.png"),
    ]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no image in the folder"):
        image_files(tmp_path / "empty")


def test_the_command_masks_and_lists_what_is_absent(tiny_vision, tiny, picture, tmp_path, capsys, cache):
    picture("0/a.png", 0)
    picture("0/b.png", 1)
    picture("5.png", 2)
    (tmp_path / "pictures" / "9.png").write_text("damaged")
    flags, out = arguments(tiny_vision, tmp_path, "--images", tmp_path / "pictures", "--data", tiny.folder)
    assert main(flags) == 0
    printed = capsys.readouterr().out
    assert "2 of 8 entities have a vector of width 16" in printed
    assert "1 of 4 images missing or unreadable, 5 entities without an image" in printed
    kgs, _ = load(tiny.options(features={"visual": out}))
    assert kgs.modalities["visual"].present.tolist() == [True] + [False] * 4 + [True] + [False] * 2
    absent = (tmp_path / "out.npz.absent.tsv").read_text().splitlines()
    assert len(absent) == 6
    assert absent[0].startswith("9\t")
    assert "unreadable" in absent[0]
    assert "4\t\tno image" in absent
    own, _ = ImageEncoder(str(tiny_vision)).encode(sorted((tmp_path / "pictures" / "0").iterdir()), cache)
    mean = (own[0] + own[1]) / 2
    np.testing.assert_allclose(read_features(out).vectors[0], mean / np.linalg.norm(mean), atol=1e-6)


@pytest.mark.parametrize("form", ["folder", "table"])
def test_pictures_of_graphs_of_ones_own_become_features(tiny_vision, picture, tmp_path, form):
    for seed, key in enumerate(("x", "y")):
        picture(f"{quote(f'http://a/{key}', safe='')}.png", seed)
    source = tmp_path / "pictures"
    if form == "table":
        rows = [f"http://a/{key},pictures/{quote(f'http://a/{key}', safe='')}.png" for key in "xy"]
        source = tmp_path / "images.csv"
        source.write_text("\n".join(["entity,path", *rows, "http://a/z,pictures/none.png"]) + "\n")
    file = feature_file(source, 1, tmp_path / "out", str(tiny_vision))
    found, notes = visual_features(
        (str(file), ""), ({f"http://a/{key}": i for i, key in enumerate("xyz")}, {}), 3
    )
    assert found.present.tolist() == [True, True, False]
    assert not notes
    absent = (tmp_path / "out" / "features" / "images_1.npz.absent.tsv").read_text()
    assert absent.startswith("http://a/z\t" if form == "table" else "")


def test_no_readable_image_at_all_is_an_error(tiny_vision, tmp_path, capsys):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "9.png").write_text("damaged")
    flags, out = arguments(tiny_vision, tmp_path, "--images", folder)
    assert main(flags) == 2
    assert "nothing to encode" in capsys.readouterr().err
    assert not out.exists()
