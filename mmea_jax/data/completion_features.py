"""Visual and text features of the entities of a completion set: from files, from names, or simulated."""

import itertools
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import sparse

from mmea_jax.data.bounds import check_npy, refuse_size
from mmea_jax.data.formats.features import SUFFIXES, Features, read_features
from mmea_jax.data.formats.torch_archives import load_tensor
from mmea_jax.data.knowledge_graphs import Dense
from mmea_jax.data.names import words_of
from mmea_jax.data.simulate import noisy_images, random_share
from mmea_jax.data.streams import stream
from mmea_jax.errors import InputError, closest
from mmea_jax.vocabulary import TEXT, VISUAL, Modality

# What the published files are called after the data set's own name.
_STEMS = {VISUAL: "visual", TEXT: "textual"}
_TABLES = (".pth", ".pt", ".npy")
_KIND_SHARE = 0.3  # share of a simulated image's variance that entities of like relations have in common
_NOISE = 1.0  # standard deviation of a simulated image's noise, that of its latent being 1
# Identifiers of Wikidata and Freebase, which say nothing in words.
_IDENTIFIER = re.compile(r"<?(?:.*/)?(?:[QP]\d+|m[./]0\w+)>?")


def feature_file(folder: Path, modality: Modality) -> Path | None:
    """``<dataset>-visual`` or ``<dataset>-textual``, with any known suffix, or None.

    It may lie in the data set's folder, in ``embeddings`` there, or in ``embeddings`` beside it.
    """
    for place in (folder, folder / "embeddings", folder.parent / "embeddings"):
        for suffix in (*SUFFIXES, *_TABLES):
            path = place / f"{folder.name}-{_STEMS[modality]}{suffix}"
            if path.is_file():
                return path
    return None


def read_modality(path: Path, names: Sequence[str]) -> tuple[Dense, list[str]]:
    """Rows of length 1 for the entities that the file has a vector of; a vector of zeros counts as none.

    ``.pth`` and ``.npy`` hold one array [N, f], a row an entity; the other formats name their rows.

    Args:
      path: the file.
      names: N entity names; positions are ids.

    Returns:
      ``Dense`` of N rows, and notes.

    Raises:
      InputError: an unsound file, a number of rows that is not N, a key that is no entity, or a number
        that is not finite.
    """
    vectors, rows = _table(path, len(names)) if path.suffix in _TABLES else _keyed(path, names)
    # Half precision would overflow in the squares.
    vectors = vectors.astype(np.float32)
    peaks = np.abs(vectors).max(axis=1, keepdims=True)
    filled = peaks[:, 0] > 0
    scaled = vectors[filled] / peaks[filled]
    features = np.zeros((len(names), vectors.shape[1]), np.float32)
    features[rows[filled]] = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    present = np.zeros(len(names), bool)
    present[rows[filled]] = True
    zeros = int((~filled).sum())
    return Dense(features, present), [f"{zeros} vectors of zeros taken as absent"] if zeros else []


def name_words(names: Sequence[str]) -> list[list[str]]:
    """Lower-cased words of each name; none for identifiers of Wikidata or Freebase."""
    return [[] if _IDENTIFIER.fullmatch(name) else words_of(name) for name in names]


def name_vectors(words: Sequence[Sequence[str]], width: int) -> Dense:
    """Words and letter trigrams of names, hashed into vectors of length 1.

    Each feature adds ±1/√(entities that have it) to one of ``width`` components, which its hash chooses.
    Entities without a word are absent.

    Args:
      words: N lists of words.
      width: f.
    """
    refuse_size(24.0 * len(words) * width, f"{len(words):,} text features", "lower --config.data.text_width")
    features = [{*own, *_trigrams(own)} for own in words]
    frequency = Counter(itertools.chain.from_iterable(features))
    known = list(frequency)
    position = {feature: i for i, feature in enumerate(known)}
    hashes = np.array([zlib.crc32(feature.encode("utf-8", "surrogatepass")) for feature in known], np.int64)
    sign = np.where(hashes >> 31, -1.0, 1.0)
    weight = sign / np.sqrt(np.array([frequency[feature] for feature in known], np.float64))
    rows = np.repeat(np.arange(len(words)), [len(own) for own in features])
    # Sorted, for the order of a set of strings differs from one process to the next.
    flat = [position[f] for own in features for f in sorted(own)]
    codes = np.array(flat, np.int64)
    cells = rows * width + (hashes % width)[codes]
    table = np.bincount(cells, weights=weight[codes], minlength=len(words) * width)
    table = table.astype(np.float64).reshape(-1, width)  # without any word they would be integers
    norms = np.linalg.norm(table, axis=1)
    present = norms > 0
    table[present] /= norms[present, None]
    return Dense(table.astype(np.float32), present)


def simulated_images(
    train: np.ndarray, num_entities: int, num_relations: int, width: int, present: float, seed: int
) -> Dense:
    """Image features for a graph that has none: entities of like relations look somewhat alike.

    The latent of an entity is a random projection of the relations that it is head or tail of in
    **training** triples, and of that a share of the variance; the rest is its own. The image is the latent
    through noise as strong. No validation or test triple enters, so that nothing of the answers is given
    away, but also nothing is added that a real image would tell.

    Args:
      train: int[T, 3].
      num_entities: N.
      num_relations: R.
      width: f.
      present: share of the entities that get an image, in (0, 1].
      seed: non-negative.
    """
    shape = (num_entities, width)
    refuse_size(
        28.0 * num_entities * width, f"{num_entities:,} images", "lower --config.data.simulated_width"
    )
    rows = np.concatenate([train[:, 0], train[:, 2]])
    columns = np.concatenate([train[:, 1], num_relations + train[:, 1]])
    ones = np.ones(len(rows), np.float32)
    kinds = sparse.coo_array((ones, (rows, columns)), shape=(num_entities, 2 * num_relations)).tocsr()
    kinds = kinds.log1p()
    norms = np.maximum(np.sqrt(kinds.multiply(kinds).sum(axis=1)), 1e-6).reshape(-1, 1)
    projection = stream(seed, "completion/kinds").standard_normal((2 * num_relations, width), np.float32)
    own = stream(seed, "completion/own").standard_normal(shape, np.float32)
    noise = stream(seed, "completion/noise").standard_normal(shape, np.float32)
    latent = np.sqrt(_KIND_SHARE) * (kinds @ projection / norms) + np.sqrt(1 - _KIND_SHARE) * own
    has_image = random_share(stream(seed, "completion/present"), num_entities, present)
    return noisy_images(latent.astype(np.float32), noise, has_image, _NOISE)


def _trigrams(words: Sequence[str]) -> list[str]:
    """Letter trigrams within words that are marked where they begin and end, so that none is a word."""
    return [f"^{word}$"[i : i + 3] for word in words for i in range(len(word))]


def _table(path: Path, size: int) -> tuple[np.ndarray, np.ndarray]:
    vectors = _npy(path) if path.suffix == ".npy" else load_tensor(path)
    if vectors.ndim != 2 or len(vectors) != size or vectors.dtype.kind != "f" or not vectors.size:
        raise InputError(
            f"{vectors.dtype}{list(vectors.shape)}",
            expected=f"floats [{size}, f], a row an entity",
            mend="take the feature file that belongs to this data set",
            file=path,
        )
    # As single precision, in which they are kept.
    with np.errstate(over="ignore"):
        finite = np.isfinite(vectors.astype(np.float32, copy=False)).all(axis=1)
    if not finite.all():
        raise InputError(
            f"a number that is not finite in row {int(np.argmin(finite))} ({(~finite).sum()} such rows)",
            expected="finite numbers of single precision",
            mend="compute the features again, or write zeros for an entity without",
            file=path,
        )
    return vectors, np.arange(size)


def _npy(path: Path) -> np.ndarray:
    try:
        with path.open("rb") as file:
            check_npy(file, path.stat().st_size)
        refuse_size(3 * path.stat().st_size, "numbers", "take a smaller file, or a larger machine", path)
        return np.load(path, allow_pickle=False)
    except InputError:
        raise
    # A damaged header raises ValueError, SyntaxError, tokenize's own errors and more.
    except Exception as error:
        raise InputError(
            f"no sound .npy ({error})", expected="floats [N, f]", mend="write the file again", file=path
        ) from None


def _keyed(path: Path, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    features: Features = read_features(path)
    by_name = isinstance(features.keys[0], str)
    index = {name: i for i, name in enumerate(names)} if by_name else {i: i for i in range(len(names))}
    strangers = [key for key in features.keys if key not in index]
    if strangers:
        hint = closest(strangers[0], index) if by_name else ""
        raise InputError(
            f"features for {strangers[0]!r}{hint}, which is no entity ({len(strangers)} such keys)",
            expected="ids or names that entity2id.txt declares",
            mend="take the feature file that belongs to this data set, or remove the entries",
            file=path,
        )
    return features.vectors, np.array([index[key] for key in features.keys])
