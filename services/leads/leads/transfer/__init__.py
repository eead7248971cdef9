"""Leads in from files."""
