"""A file appears whole or not at all, whatever goes wrong while it is written."""

import errno
import os
import resource
import signal
import stat
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from t2local.errors import ResourceError
from t2local.system.atomic import atomic


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(path, content, encoding="utf-8", fault=None):
    with atomic(path, encoding) as file:
        file.write(content)
        if fault:
            raise fault


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("old")
    return path


def test_a_file_appears_whole_or_not_at_all(old):
    def write_half() -> None:
        with atomic(old) as file:
            file.write("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert names(old.parent) == ["t.txt"]
    assert old.read_text() == "old"


def test_a_full_disk_is_a_resource_error(tmp_path):
    with pytest.raises(ResourceError), atomic(tmp_path / "no folder" / "t.txt") as file:
        file.write("x")


def test_the_old_file_is_there_until_the_new_one_is_complete(old):
    with atomic(old) as file:
        file.write("new")
        file.flush()
        assert old.read_text() == "old"
        assert len(names(old.parent)) == 2
    assert old.read_text() == "new"
    assert names(old.parent) == ["t.txt"]


@pytest.fixture
def small_disk():
    """No file of this process may be larger than 1,000 bytes; the kernel refuses the write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("size", [1001, 100_000])
@pytest.mark.parametrize("encoding", ["utf-8", None])
def test_a_disk_that_fills_up_leaves_the_old_file_and_nothing_else(old, small_disk, size, encoding):
    content = "x" * size if encoding else b"x" * size
    with pytest.raises(ResourceError, match="File too large") as caught:
        write(old, content, encoding)
    assert caught.value.message == f"{old} cannot be written: File too large."
    assert "free some disk" in caught.value.next_step
    assert caught.value.exit_code == 6
    assert names(old.parent) == ["t.txt"]
    assert old.read_text() == "old"


def test_what_fits_is_written(old, small_disk):
    with atomic(old) as file:
        file.write("x" * 1000)
    assert old.stat().st_size == 1000


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, UnicodeError, SystemExit])
def test_any_other_error_passes_through_and_leaves_nothing(tmp_path, error):
    with pytest.raises(error):
        write(tmp_path / "t.txt", "x", fault=error)
    assert names(tmp_path) == []


def test_an_error_of_the_disk_in_the_body_names_the_file(tmp_path):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(ResourceError, match=r"t\.txt cannot be written: No space left"):
        write(tmp_path / "t.txt", "x", fault=full)
    assert names(tmp_path) == []


def test_a_folder_of_that_name_is_not_replaced(tmp_path):
    (tmp_path / "t.txt").mkdir()
    with pytest.raises(ResourceError), atomic(tmp_path / "t.txt") as file:
        file.write("x")
    assert names(tmp_path) == ["t.txt"]


def test_only_the_owner_can_read_it(old):
    old.chmod(0o644)
    with atomic(old) as file:
        file.write("x")
    assert stat.S_IMODE(old.stat().st_mode) == 0o600


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=st.text(st.characters(exclude_categories=["Cs"])), content=st.binary())
def test_texts_and_bytes_come_back_as_they_were(tmp_path, text, content):
    with atomic(tmp_path / "t.txt") as file:
        file.write(text)
    assert (tmp_path / "t.txt").read_bytes() == text.encode()  # no line end is changed
    with atomic(tmp_path / "b", encoding=None) as file:
        file.write(content)
    assert (tmp_path / "b").read_bytes() == content


def test_of_many_writers_at_once_one_is_last_and_whole(tmp_path):
    path = tmp_path / "t.txt"

    def write(letter):
        for _ in range(5):
            with atomic(path) as file:
                file.write(letter * 10_000)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in {letter * 10_000 for letter in "abc"}
    assert names(tmp_path) == ["t.txt"]
