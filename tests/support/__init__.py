"""Doubles and builders shared by the tests; nothing here tests anything."""
