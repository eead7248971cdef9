"""Assignment of leads by rules: see the README."""
