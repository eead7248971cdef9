"""Visits in the field: check-ins, how far they are to be trusted, routes and coverage."""
