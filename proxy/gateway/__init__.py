"""The data plane: accepts ``/v1/…``, relays it, and notes every piece on disk before the client sees it.

Read in the order of a request: ``protocol`` (bytes off the client's socket) → ``call`` (one request and its reply
channel) → ``app`` (where does it go) → ``guard`` → ``authentication`` → ``body`` → ``relay`` (``plan``, and on record)
→ ``exchange`` (observation, attempts, pump, ending). Nothing here waits for a disk sync, a database or control, and
nothing interprets an answer.
"""
