"""What customers bought, and what that says of them."""
