"""The words all floors share: frozen values, standard library only, no I/O."""
