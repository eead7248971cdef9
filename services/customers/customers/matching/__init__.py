"""How alike two customers are: names taken apart, evidence weighed. Pure, with no database."""

from customers.matching.company import CompanyName, parse_company
from customers.matching.profile import Profile
from customers.matching.score import LIKELY, Match, Relation, compare

__all__ = ["LIKELY", "CompanyName", "Match", "Profile", "Relation", "compare", "parse_company"]
