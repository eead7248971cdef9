"""What can be done with customers: one command per module."""
