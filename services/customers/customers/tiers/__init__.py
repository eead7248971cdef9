"""The tiers that customers are sorted into by rules, and the stages of their life with the organisation."""
