"""Rules that people make for themselves: when, if, then."""
