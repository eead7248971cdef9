"""A believable Chinese B2B company, made up from a fixed seed, and how it is brought into a running suite.

Nobody in it exists. Each run with the same day and seed gives the same company.
"""
