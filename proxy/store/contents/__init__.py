"""What is kept of a call beside its row: bodies and their slices, texts, and what lies aside for a while."""
