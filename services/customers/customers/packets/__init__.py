"""What whoever takes over a customer needs to know of it."""
