"""Customers that fall back into pools by themselves: when, why, and what was or would be taken."""
