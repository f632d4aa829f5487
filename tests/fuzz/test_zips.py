"""Zips of views from strangers: traversal, bombs, links, doubles, wrong counts, damage."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harmony.cameras import VIEW_COUNT
from harmony.ui import texts
from harmony.ui.views_zip import MAX_MEMBERS, MAX_SIDE, unpack_views
from tests.fuzz.mutations import mutation
from tests.fuzz.test_recipes import answer
from tests.fuzz.watched import watched
from tests.page_fakes import fake_engine

NAMES = [f"seed-0001/view-{k:02d}.png" for k in range(VIEW_COUNT)]


def png(size: tuple[int, int] = (16, 16), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, 1).save(buffer, "PNG")
    return buffer.getvalue()


def packed(members: list[tuple[str | zipfile.ZipInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, target.encode()


GOOD = [(name, png()) for name in NAMES]
REFUSED = {
    "empty": b"",
    "no member": packed([]),
    "traversal only": packed([(f"../{name}", png()) for name in NAMES]),
    "absolute": packed([(f"/{name}", png()) for name in NAMES]),
    "backslashes": packed([(name.replace("/", "\\..\\"), png()) for name in NAMES]),
    "a link": packed([link(NAMES[0], "/etc/passwd"), *GOOD[1:]]),
    "no picture": packed([(NAMES[0], b"<?php"), *GOOD[1:]]),
    "another format": packed([(NAMES[0], b"GIF89a" + bytes(64)), *GOOD[1:]]),
    "a bomb": packed([(NAMES[0], b"\0" * 300_000_000), *GOOD[1:]]),
    "large pictures": packed([(name, png((MAX_SIDE + 1, 9), "1")) for name in NAMES]),
    "countless members": packed([(f"{k}.txt", b"") for k in range(MAX_MEMBERS + 1)]),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_hostile_zips_are_refused_before_anything_is_written(name, tmp_path):
    (tmp_path / "a.zip").write_bytes(REFUSED[name])
    with pytest.raises(ValueError, match="not a zip of views"):
        unpack_views(tmp_path / "a.zip", tmp_path / "out")
    assert [file.name for file in tmp_path.iterdir()] == ["a.zip"]


def test_a_name_that_stands_twice_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = packed([*GOOD, GOOD[0]])
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(ValueError, match="not a zip of views"):
        unpack_views(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize("count", [1, VIEW_COUNT - 1, VIEW_COUNT + 1])
def test_a_wrong_number_of_views_gets_a_sentence(tmp_path, count):
    names = [f"seed-0001/view-{k:02d}.png" for k in range(count)]
    (tmp_path / "a.zip").write_bytes(packed([(name, png()) for name in names]))
    engine = fake_engine()
    assert answer(engine.score, tmp_path / "a.zip", "mug") is None
    assert answer(engine.reconstruct, tmp_path / "a.zip", "draft", tmp_path) is None


def test_a_member_beside_the_views_stays_where_it_is(tmp_path):
    (tmp_path / "a.zip").write_bytes(packed([*GOOD, ("../evil.png", png()), ("recipe.json", b"{")]))
    assert len(unpack_views(tmp_path / "a.zip", tmp_path / "out")) == VIEW_COUNT
    assert {file.name for file in tmp_path.iterdir()} == {"a.zip", "out"}


def unpacked(data: bytes) -> str:
    """Unpack in the watched process."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "a.zip"
        archive.write_bytes(data)
        try:
            return str(len(unpack_views(archive, Path(folder) / "out")))
        except ValueError as error:
            sentence = str(error)
        assert sentence == texts.BAD_ZIP
        assert not (Path(folder) / "out").exists()
        return "refused"


def test_damaged_zips_give_views_or_the_sentence():
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    files = {"views.zip": packed([(name, buffer.getvalue()) for name in NAMES])}
    pieces = [mutation(files, index) for index in range(150)]
    outcomes = list(watched(unpacked, pieces, seconds=10.0))
    assert [outcome for outcome in outcomes if outcome.kind != "answer"] == []
    assert {outcome.text for outcome in outcomes} >= {"16", "refused"}
    assert max(outcome.grown_mb for outcome in outcomes) < 300.0
