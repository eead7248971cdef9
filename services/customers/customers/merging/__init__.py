"""Customers that become one, and merges taken back."""
