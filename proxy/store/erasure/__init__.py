"""What goes: one call or all that somebody asks for, what is too old, and the slices that nobody needs any more."""
