"""HarmonyView: one picture of an object to sixteen consistent views around it.

The package is one road; every module is one stage with one public verb:
`background`, `framing`, `models`, `sampling`, `scoring`, `reconstruction`, `export`.
"""

__version__ = "0.1.0"
