"""The one database: SQLite in the data folder, or a Postgres.

Rooms, of which each knows those below it only. ``schema`` declares; ``filters`` says what is asked for; ``engines``
connects. ``contents``, ``sums``, ``changes`` and ``erasure`` are what can happen to a call's row; ``copies``,
``migrating``, ``care`` and ``hosts`` are about the database itself. ``writing`` takes batches of entries in one
transaction each; ``catalogue`` is what is edited at run time; ``reading`` answers the command line and the admin API;
``upkeep`` and ``moving`` treat the record as a whole. SQL is spoken nowhere else. Only control opens the store for
writing, with one connection that also checkpoints.
"""
