"""Playbooks: stages with goals and guidance, the tasks that are made on the way, and where leads are in them."""
