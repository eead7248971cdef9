"""Customers that are likely one: on entry, and among those that are there."""
