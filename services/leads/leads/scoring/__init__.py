"""How likely leads are to buy: by the company's rules, or by a model learned from its leads that beats them."""
