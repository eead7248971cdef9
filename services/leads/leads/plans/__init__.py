"""Plans and calendars: what is to take place when, with whom, and what speaks against it."""
