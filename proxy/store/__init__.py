"""The one database: SQLite in the data folder.

``tables`` declares, ``migration`` upgrades, ``writing`` takes batches of entries in one transaction each (``rows``,
``bodies``, ``rollups``, ``accounts``), ``reading`` answers the command line and the admin API. SQL is spoken nowhere
else. Only control opens the store for writing, with one connection that also checkpoints.
"""
