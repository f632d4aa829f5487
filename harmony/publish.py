"""Publish this tree as a Space: python -m harmony.publish --space owner/name.

What git tracks is uploaded, and nothing else; files over 10 MB go to the hub's large-file storage
by themselves. A tree with uncommitted changes, or with something that looks like a secret, is
refused.
"""

from __future__ import annotations

import argparse
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SPACE_NAME = re.compile(r"[\w.-]+/[\w.-]+")
SECRET_NAMES = re.compile(
    r"(^|/)(\.env(\..*)?|\.netrc|id_(rsa|dsa|ecdsa|ed25519)|users|.*\.(pem|key|p12))$"
)
SECRET_TEXT = re.compile(
    rb"hf_[A-Za-z0-9]{30,}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|-----BEGIN [A-Z ]*PRIVATE KEY"
)
UNNEEDED = ("tests/", "benchmarks/")
"""A Space does not run these."""


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise ValueError(f"{root} is no git repository; publish from a clone.") from error
    return done.stdout


def files_to_publish(root: Path = ROOT) -> list[str]:
    """Return the files that make up the Space.

    Raises:
        ValueError: There are uncommitted changes, or a file looks like a secret.
    """
    if _git(root, "status", "--porcelain").strip():
        raise ValueError("There are uncommitted changes; commit or remove them first.")
    files = [name for name in _git(root, "ls-files", "-z").split("\0") if name]
    files = [name for name in files if not name.startswith(UNNEEDED)]
    for name in files:
        if SECRET_NAMES.search(name) or SECRET_TEXT.search((root / name).read_bytes()):
            raise ValueError(f"{name} looks like a secret; remove it from the tree.")
    return files


def publish(space: str, *, root: Path = ROOT, api: Any = None, private: bool = False) -> str:
    """Upload the tree and return the Space's address.

    Args:
        space: owner/name; made if there is none.
        root: The tree.
        api: What talks to the hub; None takes `huggingface_hub.HfApi` with its own login.
        private: Whether a Space that is made is private.

    Raises:
        ValueError: The name is none, or the tree is not fit to be published.
    """
    if not SPACE_NAME.fullmatch(space):
        raise ValueError(f"Space is {space!r}; it must be owner/name.")
    files = files_to_publish(root)
    if api is None:
        from huggingface_hub import HfApi

        api = HfApi()
    api.create_repo(space, repo_type="space", space_sdk="gradio", private=private, exist_ok=True)
    commit = _git(root, "rev-parse", "--short", "HEAD").strip()
    api.upload_folder(
        repo_id=space,
        repo_type="space",
        folder_path=str(root),
        allow_patterns=[_literally(name) for name in files],
        delete_patterns="*",
        commit_message=f"Publish {commit}",
    )
    return f"https://huggingface.co/spaces/{space}"


def _literally(name: str) -> str:
    """Return a pattern for this name only."""
    return re.sub(r"([*?[])", r"[\1]", name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Publish, or say why not."""
    parser = argparse.ArgumentParser(prog="python -m harmony.publish", description=__doc__)
    parser.add_argument("--space", required=True, metavar="OWNER/NAME")
    parser.add_argument("--private", action="store_true", help="a Space that is made is private")
    options = parser.parse_args(arguments)
    try:
        print(publish(options.space, private=options.private))  # noqa: T201
    except ValueError as error:
        raise SystemExit(f"Not published: {error}") from None


if __name__ == "__main__":
    main()
