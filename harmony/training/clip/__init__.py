"""Training of the small CLIP that ships with the app (`python -m harmony.training.clip`).

Renders of named objects meet captions made from their names; the result is an ordinary
open_clip folder that `harmony.scoring.CDScorer` loads.
"""
