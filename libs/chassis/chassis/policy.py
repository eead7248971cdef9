"""Who may do what, fetched by version from the service that owns it and kept in memory."""

from typing import Protocol

from crm.identity.v1.policy_service_pb2 import Policy


class Authority(Protocol):
    """Whoever signs access tokens and knows the policy."""

    def key_set(self) -> str:
        """The public keys that tokens are signed with: a JSON Web Key Set (RFC 7517)."""
        ...

    def policy(self, known_version: int) -> Policy:
        """The policy, or nothing but the version if it is `known_version`."""
        ...
