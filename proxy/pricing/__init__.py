"""What a call costs: ``rates`` finds dated unit prices (genai-prices), ``cost`` multiplies them with counts.

Exact decimals throughout. The provider is decided by its configured kind, never by the model's name alone; what is not
known is not guessed: the amount is None and the status says why.
"""
