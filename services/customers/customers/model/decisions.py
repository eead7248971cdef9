"""What contacts decide, and how they stand to us."""

from enum import StrEnum

MOST_INFLUENCE = 5


class DecisionRole(StrEnum):
    """What a person decides in purchases. The names are those of `crm.customers.v1.DecisionRole`."""

    DECISION_MAKER = "DECISION_MAKER"
    INFLUENCER = "INFLUENCER"
    USER = "USER"
    GATEKEEPER = "GATEKEEPER"
    BUYER = "BUYER"
    CHAMPION = "CHAMPION"
    APPROVER = "APPROVER"


class Stance(StrEnum):
    """How a person stands to us. The names are those of `crm.customers.v1.Stance`."""

    SUPPORTER = "SUPPORTER"
    NEUTRAL = "NEUTRAL"
    OPPONENT = "OPPONENT"
    UNKNOWN = "UNKNOWN"
