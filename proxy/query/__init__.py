"""The search grammar: what a person types to find calls, as terms that are checked before anything is asked.

``status:error latency:>2s model:gpt-* -user:kim "refund"``: filters and words, all of which must hold. Pure: text in,
values out; what a filter is in SQL the store says.
"""
