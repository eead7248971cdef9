"""The Helm charts: the programs to work with them, the schemas of their values, and what they render to."""
