"""The keys and the policy, read at the source."""

from threading import Lock

from chassis.callers import service_caller
from chassis.service import Runtime
from crm.identity.v1.policy_service_pb2 import Policy

from identity import queries
from identity.mapping import policy_to_proto
from identity.policy import policy_version
from identity.tokens import read_signing_keys


class IdentityAuthority:
    """Answers who may do what from this service's database. The policy is built once per version."""

    def __init__(self, runtime: Runtime) -> None:
        self._database = runtime.database
        self._keys = read_signing_keys(runtime.settings)
        self._newest = Policy()
        self._lock = Lock()

    def key_set(self) -> str:
        """The public keys, as a JSON Web Key Set."""
        return self._keys.key_set()

    def policy(self, known_version: int) -> Policy:
        """The policy, or nothing but the version if it is `known_version`."""
        caller = service_caller(self._database.service)
        with self._database.read(caller) as session:
            version = policy_version(session)
        if version == known_version:
            return Policy(version=version, unchanged=True)
        with self._lock:
            if self._newest.version != version:
                with self._database.write(caller) as session:
                    # All statements must see one moment: the version says what the rest is.
                    session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
                    self._newest = policy_to_proto(queries.load_policy(session))
            return self._newest
