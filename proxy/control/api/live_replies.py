"""What stands behind ``data`` of a live event, for the description; nothing is made of these classes."""

from __future__ import annotations

from proxy.control.api.interaction_replies import InteractionRow


class LiveEvent(InteractionRow):
    """Of end a call's columns (with texts where they are asked for), of start those that are known by then.

    hello says whether starts are told, and which terms of the query (unjudged) keep them back; gap, trouble and closing
    say why in a stable word (reason) and in others (detail).
    """

    input_text: str | None
    output_text: str | None
    starts: bool
    unjudged: list[str]
    reason: str
    detail: str
    after: str | None
