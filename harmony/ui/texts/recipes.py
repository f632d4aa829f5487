"""Texts of recipes, links and what can be taken away."""

from __future__ import annotations

COMMAND = "Command line that makes the same pictures"
COMMAND_INFO = (
    "In the project's folder, with the picture's path in place of PICTURE unless it is an example."
)
COPY_COMMAND = "Copy the command"
OWN_PICTURE = "PICTURE"
OUTPUT = "out"
CONTENTS_TITLE = "What is in the zip"
CONTENTS = {
    "view-{00..15}.png": "sixteen views with transparency; each carries its recipe",
    "strip.png": "all views in one row, on white",
    "turntable.gif": "turntable, endless",
    "turntable.mp4": "turntable as a film (H.264)",
    "cameras.json": "the cameras, OpenCV convention",
    "transforms.json": "the same for NeRF programs, OpenGL convention",
    "recipe.json": "everything that determines the result",
    "scores.json": "CD scores",
    "scores.csv": "CD scores and each view's own terms, as a table",
}
