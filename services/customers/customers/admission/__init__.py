"""Leads that are taken in as customers, on behalf of those who convert them at the leads service."""
