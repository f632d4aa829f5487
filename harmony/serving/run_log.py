"""One line of the log for each piece of work: what it was, how long it took, how it ended.

No picture's name, no word that a visitor typed and no address is logged.
"""

from __future__ import annotations

import logging

from harmony.serving.lane import Ticket

logger = logging.getLogger(__name__)


class RunLog:
    """Writes a line when a piece of work ends."""

    def __init__(self, model: str = "") -> None:
        """Remember which model works."""
        self.model = model

    def ended(self, ticket: Ticket, outcome: str, now: float) -> None:
        """Log a turn.

        Args:
            ticket: The turn.
            outcome: "done", "failed", "stopped", "replaced", "left" (the page was closed) or "ended"
                (by the server's own end).
            now: Seconds on the lane's clock.
        """
        started = now if ticket.started is None else ticket.started
        fields = {
            "run": ticket.id,
            "work": ticket.work.name,
            "model": self.model,
            "steps": ticket.work.steps,
            "seeds": ticket.work.seeds,
            "waited": round(started - ticket.joined, 3),
            "seconds": round(now - started, 3),
            "outcome": outcome,
        }
        logger.info("run", extra={"fields": fields})
