"""The admin API below ``/api/v1``: one module a noun. Errors are RFC 9457 problems."""
