"""The two engines, SQLite and Postgres, and the seam between them (``engine``): connections, errors, bulk inserts.

Nobody above asks which one it is but through ``engine``.
"""
