"""``dashcam doctor``: what was found, what is wrong, the next command. It changes nothing.

``examination`` goes through it all; the parts are ``surroundings`` (this shell), ``holdings`` (the data folder),
``hosts`` (who shares the database) and ``reachability`` (providers); ``findings`` is how one thing is told.
"""
