"""The gRPC methods: open a transaction, call, map."""

from leads.api.follow_ups import FollowUpServicer
from leads.api.leads import LeadServicer
from leads.api.promises import PromiseServicer

__all__ = ["FollowUpServicer", "LeadServicer", "PromiseServicer"]
