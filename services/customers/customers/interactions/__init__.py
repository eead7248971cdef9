"""What happened with customers in other systems, and notes of people."""
