"""Tasks: what is to be done about leads and customers."""
