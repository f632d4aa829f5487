"""Texts of the input coach."""

from __future__ import annotations

LABEL = "What the model will see"
SKETCH_LABEL = "Height of the camera, drawn"
WORDS = {
    "cutout": "Cut-out and crop",
    "framed": "What the model sees",
    "empty": "No object yet. Mend the mask: paint what belongs to it.",
    "mend": "Mend the mask",
    "keep": "Keep",
    "remove": "Remove",
    "tools": "What the brush does",
    "size": "Brush size",
    "undo": "Undo",
    "use": "Use this mask",
    "cancel": "Cancel",
    "canvas": (
        "Mask of the object. Paint with the pointer; or move the brush with the arrow keys and "
        "press Space."
    ),
}
SKETCH_WORDS = {
    "camera": "Camera at {angle}°",
    "level": "level with the object",
    "above": "looks down on the object",
    "below": "looks up at the object",
    "outside": "Outside {low}° to {high}°, which the models were trained on.",
}
BAD_STROKES = "The painted mask cannot be read; paint it again."
MENDED = "The mended picture is the page's picture now; its mask is part of the recipe."
