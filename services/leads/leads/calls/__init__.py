"""Telephone calls: dialled, told of by the telephone system, matched, and counted."""
