"""What can be done with follow-ups: one command per module."""
