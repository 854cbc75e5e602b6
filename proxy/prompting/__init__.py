"""What a stored prompt is and how it becomes messages: pure, and light enough for the gateway."""
