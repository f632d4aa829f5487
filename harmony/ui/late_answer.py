"""Answers that were on their way when the visitor changed the controls which they would set."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
from pydantic import BaseModel

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
NOTE = "(...values) => [values]"
UNLESS_CHANGED = """(asked, given, ...now) => {
  const changed = now.map((value, at) => JSON.stringify(value) !== JSON.stringify(asked[at]));
  const brought = JSON.parse(JSON.stringify(given));
  const mixed = given[0] !== null && changed[0];
  return now.map((_, at) =>
    mixed || changed[at] || given[at] === null ? { __type__: "update" } : brought[at]);
}"""


class LateAnswer:
    """An answer that takes only those controls that the visitor has left alone since it was asked for.

    The controls' values are noted in the browser when the question goes out. The answer goes into a
    hidden component first, and from there, in the browser alone, into the controls that still stand
    as noted. Where it brings a value for the first control and the visitor has changed that one,
    none of it is taken: an example's name would not fit another picture.
    """

    def __init__(self, fields: Sequence[gr.components.Component]) -> None:
        """Make the hidden components; call it inside the `gr.Blocks`."""
        self.fields = list(fields)
        # Of all components, this one takes any value and still lets Gradio publish the files in it.
        self._asked, self.held = (gr.HTML(visible=False, js_on_load=None) for _ in range(2))

    def note(self, trigger: Callable[..., Any]) -> None:
        """Note the values when `trigger` fires; bind it before the question itself."""
        trigger(None, inputs=self.fields, outputs=self._asked, js=NOTE, **QUIET)

    def holding(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        """Return the handler with its answer to the fields put into `held`.

        The handler returns a dictionary of updates, or the value of the only field.
        """

        @functools.wraps(handler)
        def held(*values: Any, **named: Any) -> dict[Any, Any]:
            answer = handler(*values, **named)
            updates = dict(answer) if isinstance(answer, dict) else {self.fields[0]: answer}
            given = [_payload(field, updates.pop(field, None)) for field in self.fields]
            return {self.held: given, **updates}

        return held

    def settle(self, question: Any) -> Any:
        """Return the event that follows the question and fills in what may be filled in."""
        return question.success(
            None,
            inputs=[self._asked, self.held, *self.fields],
            outputs=self.fields,
            js=UNLESS_CHANGED,
            **QUIET,
        )


def _payload(field: gr.components.Component, value: Any) -> Any:
    """Return a value as it goes to the browser."""
    sent = None if value is None else field.postprocess(value)
    return sent.model_dump() if isinstance(sent, BaseModel) else sent
