"""Files cut into pieces and joined again."""

import json

import pytest

from harmony.training.pieces import join_pieces, split_file


def make_pieces(folder, size=2500):
    source = folder / "model.safetensors"
    source.write_bytes(bytes(range(256)) * (size // 256) + bytes(size % 256))
    written = split_file(source, folder / "pieces", 1000)
    return source, written


def test_joined_pieces_are_the_file(tmp_path):
    source, written = make_pieces(tmp_path)
    assert [path.name for path in written] == [
        "model.safetensors.000",
        "model.safetensors.001",
        "model.safetensors.002",
        "model.safetensors.pieces.json",
    ]
    assert [path.stat().st_size for path in written[:3]] == [1000, 1000, 500]
    joined = join_pieces(written[-1], tmp_path / "whole")
    assert joined.read_bytes() == source.read_bytes()


def test_an_empty_file_is_one_empty_piece(tmp_path):
    _, written = make_pieces(tmp_path, size=0)
    assert join_pieces(written[-1], tmp_path / "whole").read_bytes() == b""


def test_missing_and_damaged_pieces_are_refused(tmp_path):
    _, written = make_pieces(tmp_path)
    written[1].write_bytes(b"other")
    with pytest.raises(ValueError, match=r"safetensors\.001 is damaged"):
        join_pieces(written[-1], tmp_path)
    written[1].unlink()
    with pytest.raises(ValueError, match=r"safetensors\.001 is missing"):
        join_pieces(written[-1], tmp_path)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "..", ""])
def test_names_stay_in_their_folder(tmp_path, name):
    _, written = make_pieces(tmp_path)
    manifest = json.loads(written[-1].read_text())
    written[-1].write_text(json.dumps({**manifest, "name": name}))
    with pytest.raises(ValueError, match="not a plain file name"):
        join_pieces(written[-1], tmp_path / "whole")
    written[-1].write_text(json.dumps({**manifest, "pieces": [{"name": name, "sha256": "0"}]}))
    with pytest.raises(ValueError, match="not a plain file name"):
        join_pieces(written[-1], tmp_path / "whole")


def test_foreign_json_is_refused(tmp_path):
    path = tmp_path / "a.pieces.json"
    for text in ("[]", "{", '{"name": "a"}', '{"name": "a", "sha256": "b", "pieces": [1]}'):
        path.write_text(text)
        with pytest.raises(ValueError, match="does not describe"):
            join_pieces(path, tmp_path)
    with pytest.raises(ValueError, match="must be positive"):
        split_file(path, tmp_path, 0)
