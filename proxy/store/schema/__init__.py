"""What the database holds: tables and columns, declared once for both engines, and how our values stand in them.

The bottom of the store: knows no connection and no statement.
"""
