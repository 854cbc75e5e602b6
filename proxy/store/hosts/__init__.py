"""Hosts that share a database: who is there, who leads, and what holds for all of them."""
