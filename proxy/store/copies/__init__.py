"""Copies of a SQLite database, open and sealed, written whole or not at all."""
