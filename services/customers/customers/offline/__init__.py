"""Clients that work without a connection for a while."""
