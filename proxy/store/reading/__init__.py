"""Questions, read-only: lists, one call whole, sums over a span. For the command line and the admin API."""
