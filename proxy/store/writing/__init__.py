"""The one writer: a batch of calls, and the position of the spool that they came from, in one transaction."""
