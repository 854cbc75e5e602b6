"""What is done to a database as a whole: periodic work, a full look, bringing back a copy."""
