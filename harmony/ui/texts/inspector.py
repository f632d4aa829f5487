"""Texts of the view inspector."""

from __future__ import annotations

TITLE = "Each view closely"
LABEL = "One view and what it adds to the score"
WORDS = {
    "view": "View",
    "views": "Pick a view",
    "closely": "One view, large",
    "azimuth": "Azimuth",
    "elevation": "Elevation",
    "distance": "Its term of D",
    "similarity": "Cosine with the name",
    "share": "Its share of S_var",
    "plot": "The terms of all views over the azimuth",
    "plot_distance": "term of D",
    "plot_similarity": "cosine with the name",
    "outlier": "Stands out",
    "unscored": "No score was measured for this sample.",
    "calm": "No view stands out.",
    "stands_out": "View {view} ({azimuth}) stands out.",
    "rule": (
        "Rule: the cosine with the name lies more than 3.5 modified z-scores "
        "(0.6745 × distance from the median / median absolute deviation) away."
    ),
}
