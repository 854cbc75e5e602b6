"""From one revision of the schema to the next, with a copy before and a look at the result after."""
