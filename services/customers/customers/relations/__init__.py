"""How customers stand to one another: groups and their members, suppliers, partners."""
