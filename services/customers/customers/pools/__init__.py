"""The public pools (公海): customers without an owner, who may take them, and how they come and go."""
