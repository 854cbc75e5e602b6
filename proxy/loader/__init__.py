"""From the spool to the store: read, collect into calls, interpret, write, free.

``collecting`` puts interleaved records together (pure), ``totals`` says what counters a call adds to (pure),
``sources`` follows one gateway's spool, ``accounts`` keeps count of it, ``roster`` knows all of them, ``committing``
writes, ``loading`` is the loop that owns reader and writer. One loader a spool; it runs in a thread of control and
never touches the gateway.
"""
