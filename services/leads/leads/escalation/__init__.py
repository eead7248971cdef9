"""What happens when nobody follows up for days."""
