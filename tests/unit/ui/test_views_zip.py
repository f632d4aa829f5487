import io
import zipfile

import pytest
from PIL import Image

from harmony.ui.views_zip import MAX_BYTES, unpack_views


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(buffer, "PNG")
    return buffer.getvalue()


def archive(path, names, content=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name in names:
            opened.writestr(name, png() if content is None else content)
    return path


def test_views_come_out_in_order_with_their_masks(tmp_path):
    names = [f"seed-0007/view-{k:02d}{end}" for k in (1, 0) for end in (".png", ".alpha.png")]
    views = unpack_views(archive(tmp_path / "a.zip", names), tmp_path / "out")
    assert [view.name for view in views] == ["view-00.png", "view-01.png"]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "view-00.alpha.png",
        "view-00.png",
        "view-01.alpha.png",
        "view-01.png",
    ]


def test_only_the_first_sample_is_taken(tmp_path):
    names = ["seed-0001/view-00.png", "seed-0002/view-00.png", "seed-0002/view-01.png"]
    assert len(unpack_views(archive(tmp_path / "a.zip", names), tmp_path / "out")) == 1


@pytest.mark.parametrize(
    "name", ["../view-00.png", "/view-00.png", "seed-0001/../../view-00.png", "notes.txt"]
)
def test_nothing_leaves_the_folder(tmp_path, name):
    with pytest.raises(ValueError, match="not a zip of views"):
        unpack_views(archive(tmp_path / "a.zip", [name]), tmp_path / "out")
    assert [file.name for file in tmp_path.iterdir()] == ["a.zip"]


def test_a_bomb_is_refused(tmp_path):
    bomb = archive(tmp_path / "a.zip", ["view-00.png"], b"\0" * (MAX_BYTES + 1))
    assert bomb.stat().st_size < 20_000
    with pytest.raises(ValueError, match="not a zip of views"):
        unpack_views(bomb, tmp_path / "out")


def test_what_is_no_zip_is_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(ValueError, match="not a zip of views"):
        unpack_views(tmp_path / "a.zip", tmp_path / "out")
