"""`get_file`: cache, hashes, and archives that try to get out of their folder."""

import hashlib
import http.server
import io
import os
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest

from torchkeras import downloads
from torchkeras.downloads import get_file

DATA = b"sixteen bytes...." * 1000


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def remote(tmp_path):
    path = tmp_path / "remote" / "data.bin"
    path.parent.mkdir()
    path.write_bytes(DATA)
    return path


def listing(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def tar_with(tmp_path, *members):
    path = tmp_path / "evil.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, kind, target in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.linkname = target
            info.size = 4 if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(b"evil"))
    return path


def zip_with(tmp_path, *names, link=False):
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if link else 0o100644) << 16
            file.writestr(info, "evil")
    return path


def test_a_file_is_downloaded_once(home, remote):
    path = get_file(origin=remote.as_uri())
    assert path == str(home / "datasets" / "data.bin")
    remote.write_bytes(b"other")
    assert Path(get_file(origin=remote.as_uri())).read_bytes() == DATA
    assert Path(get_file(origin=remote.as_uri(), force_download=True)).read_bytes() == b"other"
    assert listing(home) == ["datasets", "datasets/data.bin"]


def test_name_and_folder_can_be_chosen(tmp_path, home, remote):
    assert get_file("mine", remote.as_uri(), cache_subdir="models") == str(home / "models" / "mine")
    assert get_file("mine", remote.as_uri(), cache_dir=tmp_path / "new") == str(tmp_path / "new" / "datasets" / "mine")
    assert get_file(origin=remote.as_uri(), cache_subdir=tmp_path / "abs") == str(tmp_path / "abs" / "data.bin")


@pytest.mark.parametrize("algorithm", ["md5", "sha256", "auto"])
@pytest.mark.parametrize("function", [hashlib.md5, hashlib.sha256])
def test_hashes_are_checked_before_the_file_appears(home, remote, algorithm, function):
    if algorithm not in ("auto", function().name):
        return
    get_file("good", remote.as_uri(), file_hash=function(DATA).hexdigest().upper(), hash_algorithm=algorithm)
    with pytest.raises(ValueError, match="`file_hash` does not match .* Expected 00"):
        get_file("bad", remote.as_uri(), file_hash="0" * 2 * function().digest_size, hash_algorithm=algorithm)
    assert listing(home / "datasets") == ["good"]


def test_a_cached_file_with_another_hash_is_replaced(home, remote):
    (home / "datasets").mkdir(parents=True)
    (home / "datasets" / "data.bin").write_bytes(DATA[:100])
    with pytest.warns(UserWarning, match="is incomplete or out of date"):
        path = get_file(origin=remote.as_uri(), md5_hash=hashlib.md5(DATA).hexdigest())
    assert Path(path).read_bytes() == DATA


def test_without_a_network_the_error_says_what_was_tried_and_where_to_put_the_file(home):
    with pytest.raises(OSError, match=r"Tried to download http://127.0.0.1:9/z.npz, but failed: .*put the file at .*home/datasets/z.npz"):
        get_file(origin="http://127.0.0.1:9/z.npz")
    assert listing(home) == ["datasets"]


def test_a_connection_that_breaks_leaves_nothing(home):
    class Half(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"x" * 40)

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Half) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(OSError, match="after 40 of 100 bytes|more expected"):
            get_file("half", f"http://127.0.0.1:{server.server_port}/half")
        thread.join()
    assert listing(home) == ["datasets"]


def test_a_cache_that_cannot_be_written_is_named(tmp_path, remote):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="Set KERAS_HOME to a folder that can be written"):
        get_file(origin=remote.as_uri(), cache_dir=tmp_path / "file")


@pytest.mark.parametrize("fname", ["../evil", "/abs", "a/b", "..", "a\\b", "a\0b"])
def test_names_with_folders_are_refused(remote, fname):
    with pytest.raises(ValueError, match="`fname` must be a plain file name"):
        get_file(fname, remote.as_uri())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fname": "x"}, "`origin` must be the URL"),
        ({"origin": "http://host/"}, "`fname` must be given"),
        ({"origin": "file:///x", "file_hash": "0", "hash_algorithm": "crc"}, "`hash_algorithm` must be 'auto'"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, home, arguments, message):
    (home / "datasets").mkdir(parents=True)
    (home / "datasets" / "x").write_text("cached")
    with pytest.raises(ValueError, match=message):
        get_file(**arguments)


@pytest.mark.parametrize(("suffix", "mode"), [("tar", "w"), ("tar.gz", "w:gz"), ("tar.bz2", "w:bz2"), ("zip", None)])
def test_archives_are_unpacked_where_keras_puts_them(tmp_path, home, suffix, mode):
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "a.txt").write_text("hello")
    archive = tmp_path / f"arch.{suffix}"
    if mode:
        with tarfile.open(archive, mode) as tar:
            tar.add(inner, "d")
    else:
        with zipfile.ZipFile(archive, "w") as file:
            file.write(inner / "a.txt", "d/a.txt")
    assert get_file(origin=archive.as_uri(), extract=True) == str(home / "datasets" / "arch_extracted")
    assert get_file("named", archive.as_uri(), untar=True) == str(home / "datasets" / "named")
    expected = ["arch_extracted", f"arch.{suffix}", "named", "named_archive"]
    assert sorted(os.listdir(home / "datasets")) == sorted(expected)
    assert (home / "datasets" / "named" / "d" / "a.txt").read_text() == "hello"


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (("../out.txt", tarfile.REGTYPE, ""), "outside the target folder"),
        (("a/../../out.txt", tarfile.REGTYPE, ""), "outside the target folder"),
        (("/tmp/out.txt", tarfile.REGTYPE, ""), "outside the target folder"),
        (("c:\\out.txt", tarfile.REGTYPE, ""), "outside the target folder"),
        (("link", tarfile.SYMTYPE, "/etc"), "is a link or a device"),
        (("link", tarfile.SYMTYPE, "inside"), "is a link or a device"),
        (("link", tarfile.LNKTYPE, "../../secret"), "is a link or a device"),
        (("pipe", tarfile.FIFOTYPE, ""), "is a link or a device"),
        (("n" * 300, tarfile.REGTYPE, ""), "is too long"),
        (("/".join(["n" * 200] * 30), tarfile.REGTYPE, ""), "is too long"),
    ],
)
def test_tar_members_cannot_leave_the_folder(tmp_path, home, member, message):
    archive = tar_with(tmp_path, ("good.txt", tarfile.REGTYPE, ""), member)
    before = listing(tmp_path)
    with pytest.raises(ValueError, match=message):
        get_file(origin=archive.as_uri(), extract=True)
    assert listing(home) == ["datasets", "datasets/evil.tar.gz"]
    assert [name for name in listing(tmp_path) if not name.startswith("home")] == before


def test_a_member_cannot_pass_through_a_link(tmp_path, home):
    archive = tar_with(tmp_path, ("d", tarfile.SYMTYPE, str(tmp_path)), ("d/out.txt", tarfile.REGTYPE, ""))
    with pytest.raises(ValueError, match="is a link"):
        get_file(origin=archive.as_uri(), extract=True)
    assert not (tmp_path / "out.txt").exists()


def test_paths_are_checked_against_the_target_not_the_working_directory(tmp_path, home, monkeypatch):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    archive = zip_with(tmp_path, "../er/out.txt")
    with pytest.raises(ValueError, match="outside the target folder"):
        get_file(origin=archive.as_uri(), extract=True)
    assert listing(tmp_path / "deep") == ["er"]


def test_zip_members_cannot_be_links_or_come_twice(tmp_path):
    with pytest.raises(ValueError, match="is a link or a device"):
        get_file("a.zip", zip_with(tmp_path, "link", link=True).as_uri(), extract=True)
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = zip_with(tmp_path, "same", "same")
    with pytest.raises(ValueError, match="holds one name twice: same"):
        get_file("b.zip", twice.as_uri(), extract=True)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, home, monkeypatch):
    monkeypatch.setattr(downloads, "_BOMB_BYTES", 1000)
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(1 << 20))
    with pytest.raises(ValueError, match="would unpack to 1048576 bytes, more than 200 times its size"):
        get_file(origin=archive.as_uri(), extract=True)
    assert listing(home) == ["datasets", "datasets/bomb.zip"]


def test_what_is_no_archive_is_refused(tmp_path, remote):
    with pytest.raises(ValueError, match="`extract` needs an archive of format tar or zip"):
        get_file(origin=remote.as_uri(), extract=True)
    with pytest.raises(ValueError, match="needs an archive of format tar"):
        get_file("z", zip_with(tmp_path, "a").as_uri(), extract=True, archive_format="tar")
    with pytest.raises(ValueError, match="`archive_format` must be"):
        get_file("z", zip_with(tmp_path, "a").as_uri(), extract=True, archive_format="rar")


def test_a_truncated_archive_is_damaged(tmp_path, home):
    whole = tmp_path / "w.tar.gz"
    with tarfile.open(whole, "w:gz") as tar:
        info = tarfile.TarInfo("a")
        info.size = 100000
        tar.addfile(info, io.BytesIO(os.urandom(100000)))
    whole.write_bytes(whole.read_bytes()[:50000])
    with pytest.raises(ValueError, match="is damaged"):
        get_file(origin=whole.as_uri(), extract=True)
    assert not (home / "datasets" / "w_extracted").exists()
