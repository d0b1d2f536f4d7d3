"""Downloads against a local server: whole files only, resumed ones, wrong content, sets behind a form."""

import hashlib
import http.server
import threading
import warnings

import pytest

from mmea_jax.data.catalogue import BY_HAND, DATASETS, Published
from mmea_jax.data.download import download, main
from mmea_jax.errors import InputError

CONTENT = {"ent_ids_1": b"0\thttp://a/x\n" * 20_000, "ill_ent_ids": b"0\t1\n"}


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT under any folder, knows ranges, and hangs up half-way where told to."""

    asked: list = []  # noqa: RUF012 - filled by the server's thread, read by the tests
    hang_up = 0

    def do_GET(self):
        name = self.path.rpartition("/")[2]
        if name not in CONTENT:
            self.send_error(404)
            return
        body, start = CONTENT[name], self.headers.get("Range")
        type(self).asked.append((name, start))
        begin = int(start.removeprefix("bytes=").rstrip("-")) if start else 0
        if begin >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - begin))
        self.end_headers()
        rest = body[begin:]
        if type(self).hang_up:
            rest, type(self).hang_up = rest[: type(self).hang_up], 0
        self.wfile.write(rest)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    Handler.asked, Handler.hang_up = [], 0
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def quiet():
    # pooch's own dependencies deprecate things of theirs.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def catalogue(server, **wrong):
    files = {name: (name, hashlib.sha256(body).hexdigest()) for name, body in CONTENT.items()}
    return {"Tiny/a_b": Published(f"{server}/x", files | wrong)}


def test_files_arrive_whole_and_are_not_fetched_twice(server, tmp_path):
    folder = download("Tiny/a_b", tmp_path, catalogue(server))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT
    assert len(Handler.asked) == 2
    download("Tiny/a_b", tmp_path, catalogue(server))
    assert len(Handler.asked) == 2


def test_a_broken_transfer_is_continued(server, tmp_path):
    Handler.hang_up = 70_000
    with pytest.raises(InputError, match="run the same command again"):
        download("Tiny/a_b", tmp_path, catalogue(server))
    part = tmp_path / "Tiny" / "a_b" / "ent_ids_1.part"
    have = part.stat().st_size
    assert 0 < have <= 70_000
    folder = download("Tiny/a_b", tmp_path, catalogue(server))
    assert ("ent_ids_1", f"bytes={have}-") in Handler.asked
    assert (folder / "ent_ids_1").read_bytes() == CONTENT["ent_ids_1"]
    assert not part.exists()


def test_a_part_that_is_too_long_is_begun_anew(server, tmp_path):
    part = tmp_path / "Tiny" / "a_b" / "ill_ent_ids.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 100)
    folder = download("Tiny/a_b", tmp_path, catalogue(server))
    assert (folder / "ill_ent_ids").read_bytes() == CONTENT["ill_ent_ids"]


def test_wrong_content_is_refused_and_not_kept(server, tmp_path):
    wrong = {"ill_ent_ids": ("ill_ent_ids", "0" * 64)}
    with pytest.raises(InputError, match="another content"):
        download("Tiny/a_b", tmp_path, catalogue(server, **wrong))
    assert not (tmp_path / "Tiny" / "a_b" / "ill_ent_ids").exists()


def test_a_mirror_and_a_missing_file(server, tmp_path, capsys):
    # The mirror lacks triples; what it has is another content: either way one error and code 2.
    assert main(["DBP15K/zh_en", "--root", str(tmp_path), "--mirror", server]) == 2
    assert "found another content" in capsys.readouterr().err
    missing = {"triples_1": ("triples_1", "0" * 64)}
    with pytest.raises(InputError, match=r"no transfer.*404"):
        download("Tiny/a_b", tmp_path, catalogue(server, **missing))


def test_sets_behind_a_form_are_explained(tmp_path, capsys):
    assert main(["FBDB15K/norm", "--root", str(tmp_path)]) == 4
    assert str(tmp_path / "FBDB15K" / "norm") in capsys.readouterr().out
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in (*DATASETS, *BY_HAND))
    assert main(["DBP15K/zh_ne", "--root", str(tmp_path)]) == 2
    assert "did you mean 'DBP15K/zh_en'" in capsys.readouterr().err


def test_checksums_are_those_of_the_real_files(shared_data):
    for name, found in DATASETS.items():
        for here, (_, digest) in found.files.items():
            path = shared_data / name / here
            assert hashlib.sha256(path.read_bytes()).hexdigest() == digest, path
