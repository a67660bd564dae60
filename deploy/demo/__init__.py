"""A rehearsal of the whole loop: everybody who takes part is played, everything they use is real."""
