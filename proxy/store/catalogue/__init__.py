"""The catalogue in the database, and what belongs to it: revisions, contents of prompts, keys, secrets, the audit log.

Every function takes an open transaction, as ``store.configuration`` does; whoever owns the connection commits.
"""
