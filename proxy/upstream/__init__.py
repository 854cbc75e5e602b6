"""The way to the providers: a small HTTP/1.1 client on asyncio and httptools that relays bytes and understands none.

``client`` sends and keeps the deadlines, ``dialling`` opens connections (``addresses`` says which may be dialled,
``tls`` with which certificates), ``pool`` keeps the idle ones of an origin (``origins``), ``connection`` carries one
exchange at a time and ``answer`` is what it gives; ``request`` and ``body`` are what leaves, ``failure`` why nothing
came. It knows no routes and records nothing; who asks decides what a failure means.
"""
