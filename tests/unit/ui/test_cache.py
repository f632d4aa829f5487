import os
import threading
import time

import pytest

from harmony.ui.cache import FileCache, default_folder, pack, unpack

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
FILES = {"strip.webp": b"\x00\x01", "score.json": b"{}"}


def put_old(path, age):
    used_at = time.time() - age
    os.utime(path, times=(used_at, used_at))


def entries(folder):
    return sorted(file.name[0] for file in folder.iterdir())


def test_memory_alone_keeps_what_was_put_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cache = FileCache()
    cache.put(A, FILES)
    assert cache.get(A) == FILES
    assert cache.get(B) is None
    assert list(tmp_path.iterdir()) == []


def test_entries_outlive_the_process(tmp_path):
    FileCache(tmp_path / "deep" / "folder").put(A, FILES)
    assert FileCache(tmp_path / "deep" / "folder").get(A) == FILES


def test_what_was_put_does_not_change_with_the_callers_table(tmp_path):
    cache, mine = FileCache(tmp_path), dict(FILES)
    cache.put(A, mine)
    mine["strip.webp"] = b"other"
    assert cache.get(A) == FILES


@pytest.mark.parametrize("place", [0, 40, -1])
def test_a_corrupt_entry_is_dropped(tmp_path, place):
    FileCache(tmp_path).put(A, FILES)
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))
    assert FileCache(tmp_path).get(A) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [0, 10, 33])
def test_half_an_entry_is_dropped(tmp_path, size):
    FileCache(tmp_path).put(A, FILES)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:size])
    assert FileCache(tmp_path).get(A) is None


def test_the_longest_unused_goes_when_memory_is_full():
    cache = FileCache(memory_bytes=20)
    cache.put(A, {"f": bytes(8)})
    cache.put(B, {"f": bytes(8)})
    cache.get(A)
    cache.put(C, {"f": bytes(8)})
    assert [cache.get(key) is not None for key in (A, B, C)] == [True, False, True]
    cache.put(A, {"f": bytes(9)})
    assert cache.get(A) == {"f": bytes(9)}
    assert cache.get(C) is not None


def test_the_longest_unused_goes_when_the_disk_is_full(tmp_path):
    size = len(pack({"f": bytes(1000)}))
    cache = FileCache(tmp_path, disk_bytes=2 * size + 10)
    for age, key in ((300, A), (200, B)):
        cache.put(key, {"f": bytes(1000)})
        put_old(tmp_path / f"{key}.entry", age)
    assert FileCache(tmp_path).get(A) is not None
    cache.put(C, {"f": bytes(1000)})
    assert entries(tmp_path) == ["a", "c"]


@pytest.mark.parametrize("set_by", [1, -1], ids=["forward", "back"])
def test_old_entries_and_leftovers_go_and_strangers_stay_whenever_the_clock_is(tmp_path, set_by):
    cache = FileCache(tmp_path, max_age_seconds=100)
    cache.put(A, FILES)
    for name in ("x.unfinished", "stranger.txt", f"{A}.entry"):
        (tmp_path / name).touch()
        put_old(tmp_path / name, 9999 * set_by)
    (tmp_path / "y.unfinished").touch()
    cache.put(B, FILES)
    assert {f.name for f in tmp_path.iterdir()} == {"stranger.txt", "y.unfinished", f"{B}.entry"}


def test_an_entry_from_the_near_future_is_an_entry(tmp_path):
    FileCache(tmp_path).put(A, FILES)
    put_old(tmp_path / f"{A}.entry", -50)
    cache = FileCache(tmp_path, max_age_seconds=100)
    assert cache.get(A) == FILES
    cache.put(B, FILES)
    assert entries(tmp_path) == ["a", "b"]


def test_a_folder_that_cannot_be_written_costs_no_result(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    cache = FileCache(tmp_path / "file")
    cache.put(A, FILES)
    assert cache.get(A) == FILES


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "/x"])
def test_only_hashes_are_keys(tmp_path, key):
    with pytest.raises(ValueError, match="SHA-256"):
        FileCache(tmp_path).get(key)


def test_readers_see_whole_entries_while_writers_write(tmp_path):
    contents = [{"f": bytes([number]) * 50_000} for number in range(4)]
    seen, wrong = [], []

    def write(number):
        for _ in range(10):
            FileCache(tmp_path).put(A, contents[number])

    def read():
        for _ in range(40):
            found = FileCache(tmp_path).get(A)
            (seen if found in contents else wrong).append(found)

    FileCache(tmp_path).put(A, contents[0])
    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    threads += [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(seen) == 80


def test_an_entry_packs_and_unpacks():
    assert unpack(pack(FILES)) == FILES
    assert unpack(pack({})) == {}


def test_the_default_folder_follows_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "harmonyview" / "samples"
