"""What is counted: hourly and daily sums and latency buckets, moved on with the rows and made anew from them.

``counting`` names all of them and the order of their locks.
"""
