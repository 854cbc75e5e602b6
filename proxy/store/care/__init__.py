"""Looking after a database in use, in steps of milliseconds: statistics, free pages, the full-text index."""
