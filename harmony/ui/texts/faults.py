"""What a visitor reads when something fails that is nobody's input."""

from __future__ import annotations

MODEL_FAILED = (
    "The model failed while it computed ({kind}) and is loaded afresh at the next run; what you "
    "had is still here. If it happens again, the app must be restarted."
)
DISK_FULL = (
    "The server's disk is full, so this result could not be kept; what you had is still here. "
    "Try again later."
)
NO_MEMORY = "The server has too little memory for this; use fewer samples or try again later."
UNEXPECTED = "Something unexpected went wrong ({kind}); nothing you had is lost."
