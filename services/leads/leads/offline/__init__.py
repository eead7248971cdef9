"""Devices that work without a connection: what has changed since they were connected, and what was done on them."""
