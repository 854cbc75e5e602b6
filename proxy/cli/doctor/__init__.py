"""``dashcam doctor``: what was found, what is wrong, the next command. It changes nothing.

``examination`` goes through it all. The parts are ``surroundings`` (this shell), ``server`` and ``recorder`` (the
running instance), ``database``, ``postgres`` and ``hosts`` (who shares it), ``holdings`` and ``spool`` (the data
folder), ``privacy`` (what is kept) and ``reachability`` (providers); ``findings`` is how one thing is told.
"""
