"""One search over customers and contacts."""
