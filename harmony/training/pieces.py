"""Files in pieces: large files cut to a size that can be copied, and joined again.

`python -m harmony.training split FILE --output DIR` and `python -m harmony.training join DIR`.
Each piece and the whole are checked by sha256.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

MEBIBYTE = 1 << 20
PIECE_MEBIBYTES = 15.0
MANIFEST_SUFFIX = ".pieces.json"


def split_file(path: Path, folder: Path, piece_bytes: int) -> list[Path]:
    """Cut a file into pieces of at most `piece_bytes`, with a manifest beside them.

    Args:
        path: The file.
        folder: Receives `NAME.000`, `NAME.001`, ... and `NAME.pieces.json`.
        piece_bytes: Size of a piece.

    Returns:
        The pieces and the manifest.

    Raises:
        ValueError: The size is not positive.
    """
    if piece_bytes < 1:
        raise ValueError("The size of a piece must be positive.")
    folder.mkdir(parents=True, exist_ok=True)
    data = path.read_bytes()
    written, pieces = [], []
    for number, start in enumerate(range(0, max(len(data), 1), piece_bytes)):
        part = data[start : start + piece_bytes]
        piece = folder / f"{path.name}.{number:03d}"
        piece.write_bytes(part)
        written.append(piece)
        pieces.append({"name": piece.name, "sha256": hashlib.sha256(part).hexdigest()})
    manifest = {"name": path.name, "sha256": hashlib.sha256(data).hexdigest(), "pieces": pieces}
    manifest_path = folder / (path.name + MANIFEST_SUFFIX)
    manifest_path.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return [*written, manifest_path]


def join_pieces(manifest_path: Path, folder: Path) -> Path:
    """Write the file that a manifest describes into `folder` and return its path.

    Raises:
        ValueError: The manifest is none, a piece is missing or damaged, or a name leaves its
            folder.
    """
    manifest = _read_manifest(manifest_path)
    parts = [_read_piece(manifest_path.parent, **piece) for piece in manifest["pieces"]]
    data = b"".join(parts)
    if hashlib.sha256(data).hexdigest() != manifest["sha256"]:
        raise ValueError(f"The pieces of {manifest['name']} do not make the file described.")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _plain_name(manifest["name"])
    path.write_bytes(data)
    return path


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        complete = {"name", "sha256", "pieces"} <= manifest.keys() and all(
            piece.keys() == {"name", "sha256"} for piece in manifest["pieces"]
        )
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"{path} does not describe the pieces of a file.") from error
    if not complete:
        raise ValueError(f"{path} does not describe the pieces of a file.")
    return manifest


def _read_piece(folder: Path, name: str, sha256: str) -> bytes:
    path = folder / _plain_name(name)
    if not path.is_file():
        raise ValueError(f"The piece {name} is missing.")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(f"The piece {name} is damaged.")
    return data


def _plain_name(name: str) -> str:
    if name != Path(name).name or name in {"", ".", ".."}:
        raise ValueError(f"{name!r} is not a plain file name.")
    return name


def add_split_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `split`."""
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, required=True, help="folder of the pieces")
    parser.add_argument("--mebibytes", type=float, default=PIECE_MEBIBYTES, help="of a piece")
    parser.set_defaults(run=run_split)


def run_split(options: argparse.Namespace) -> str:
    """Cut the files and return the paths that were written."""
    size = int(options.mebibytes * MEBIBYTE)
    written = [piece for path in options.files for piece in split_file(path, options.output, size)]
    return "\n".join(str(path) for path in written)


def add_join_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `join`."""
    parser.add_argument("pieces", type=Path, help="folder of the pieces")
    parser.add_argument("--output", type=Path, required=True, help="folder of the whole files")
    parser.set_defaults(run=run_join)


def run_join(options: argparse.Namespace) -> str:
    """Join every file of the folder and return the paths.

    Raises:
        ValueError: There are no pieces, or they do not fit together.
    """
    manifests = sorted(options.pieces.glob(f"*{MANIFEST_SUFFIX}"))
    if not manifests:
        raise ValueError(f"{options.pieces} holds no pieces of a file.")
    return "\n".join(str(join_pieces(manifest, options.output)) for manifest in manifests)
