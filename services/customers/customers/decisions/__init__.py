"""Who decides at a customer, and who reports to whom there."""
