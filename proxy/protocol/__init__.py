"""The wire, without sockets: bytes in, values out.

What a request asks (``requests``), which endpoint it is (``endpoints``), what an answer says (``sse``, ``chat``,
``responses``, ``usage``, ``finish``), how injected usage gets in and out again (``injection``, ``stripping``) and
what our own errors look like (``envelope``). Nothing here does I/O, and nothing re-serialises a body that is
forwarded.
"""
