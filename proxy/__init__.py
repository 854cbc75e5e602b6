"""Dashcam, a recording proxy for LLM calls.

The tree tells the story of one request: ``gateway`` accepts and relays it, ``upstream`` talks to the
provider, ``spool`` keeps every piece on disk before the client sees it, ``loader`` moves the spool into the
``store``, ``interpret`` and ``pricing`` say what the bytes mean, ``control`` shows them, ``cli`` is what a
person types. ``domain`` holds the words all of them share.

The import name is no public API; the command ``dashcam`` and the HTTP interfaces are.
"""

__version__ = "0.1.0"
