"""Mutated input files: each is read or refused by the documented error; no traceback, no hang.

More inputs than the default suite has time for, and how many were tried:

    python -m pytest -n 0 -s -m slow tests/data/test_fuzz.py
"""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.fuzz_targets import TARGETS

FEW, MANY = 40, 4000
# What a careless or hostile file may have where another thing belongs.
BITS = [
    *(b"", b"\0", b"\t", b"\n", b"\r\n", b" ", b"-1", b"0", b"1e9", b"1_0", b"9" * 20, b"9" * 5000, b"nan"),
    *(b"inf", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3", "é".encode(), "٣".encode(), b"../../x", b"[" * 5000),
    *(b'"', b"{}", b"null", b"r\xff\xff\xff\x7f", b"cos\nsystem\n", b"\x8c", b"\x95", b"\x80\x05", b"PK"),
]
PLACES = st.floats(0, 1)
MUTATIONS = st.one_of(
    st.tuples(st.just("cut"), PLACES, PLACES),
    st.tuples(st.just("flip"), PLACES, st.integers(1, 255)),
    st.tuples(st.just("put"), PLACES, st.sampled_from(BITS)),
    st.tuples(st.just("replace"), PLACES, st.sampled_from(BITS)),
    st.tuples(st.just("repeat"), PLACES, PLACES),
    st.tuples(st.just("end"), PLACES, st.none()),
    st.tuples(st.just("line"), PLACES, PLACES),
    st.tuples(st.just("all"), PLACES, st.binary(max_size=40)),
)


def mutated(content: bytes, how: str, place: float, what) -> bytes:
    """The content with one thing wrong."""
    at = int(place * len(content))
    if how == "cut":
        return content[:at] + content[at + 1 + int(what * 20) :]
    if how == "flip":
        return (
            content[:at] + bytes([content[at] ^ what]) + content[at + 1 :] if at < len(content) else content
        )
    if how == "put":
        return content[:at] + what + content[at:]
    if how == "replace":
        return content[:at] + what + content[at + len(what) :]
    if how == "repeat":
        return content[:at] + 2 * content[at : at + 1 + int(what * 50)] + content[at:]
    if how == "end":
        return content[:at]
    if how == "line":
        lines = content.split(b"\n")
        one, other = int(place * (len(lines) - 1)), int(what * (len(lines) - 1))
        lines[one], lines[other] = lines[other], lines[one] + lines[other]
        return b"\n".join(lines)
    return what


def fuzz(kind: str, folder: Path, count: int, capsys) -> None:
    target = TARGETS[kind](folder)

    @settings(
        max_examples=count,
        derandomize=count == FEW,  # the default suite says the same each time
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(path=st.sampled_from(target.files), mutations=st.lists(MUTATIONS, min_size=1, max_size=3))
    def attempt(path, mutations):
        content = target.sound[path]
        for mutation in mutations:
            content = mutated(content, *mutation)
        target.attempt(path, content)

    attempt()
    # With everything as it was, it is read again.
    target.attempt(target.files[0], target.sound[target.files[0]])
    with capsys.disabled():
        print(f"\n{kind}: {target.tried:,} mutated inputs tried, {target.refused:,} refused, the others read")
    # A damaged checkpoint is never refused: there is the one before.
    assert (target.refused > 0) == (kind != "checkpoints")
    assert target.refused < target.tried
    assert len(target.words) == 2
    shutil.rmtree(folder)


@pytest.mark.parametrize("kind", TARGETS)
def test_some_mutated_files(kind, tmp_path, capsys):
    fuzz(kind, tmp_path / "files", FEW, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("kind", TARGETS)
def test_many_mutated_files(kind, tmp_path, capsys):
    fuzz(kind, tmp_path / "files", MANY, capsys)
