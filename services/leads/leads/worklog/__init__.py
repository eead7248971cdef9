"""What people did, and how much of it."""
