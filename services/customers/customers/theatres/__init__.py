"""Theatres (战区) that follow customers beside their owners."""
