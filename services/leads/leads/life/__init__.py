"""The life of a lead: how far it has come and why, what was said, whom it is the same as, and what becomes of it."""
