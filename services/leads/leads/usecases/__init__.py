"""What can be done with leads and follow-ups: one command per module."""
