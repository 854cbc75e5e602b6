"""What is edited while Dashcam runs: providers, models, prices, routes and prompts, as values checked whole.

One document a noun (``provider``, ``model``, ``price``, ``route``, ``prompt``; ``access`` for keys and tokens, which
are no part of it), all of them together in a ``Catalogue``. A change is a function from one catalogue to the next
(``versions`` and ``succession`` have those that are more than putting a document); ``accepting`` says whether the next
one may count, ``changes`` what is different, ``compiled`` what the gateway gets of it, ``bundle`` how it is written.
Nothing here reads a file, asks the network or knows a database.
"""
