"""Changes to rows that are on record: new prices and readings, tags, feedback, who counts an answer, another seal.

What the row said before is kept (``amending``), and sums follow in the same transaction.
"""
