"""What the gateway counts. Names of operations come from clients, so they are no labels."""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

OPERATIONS = Counter("graphql_operations_total", "Operations answered", ["type", "outcome"])
OPERATION_SECONDS = Histogram("graphql_operation_seconds", "How long operations took", ["type"], buckets=_SECONDS)
CALLS = Counter("grpc_client_calls_total", "Calls to services", ["service", "method", "code"])
CALL_SECONDS = Histogram("grpc_client_seconds", "How long calls took", ["service", "method"], buckets=_SECONDS)
CONNECTIONS = Gauge("graphql_connections", "Open WebSocket connections")
SUBSCRIPTIONS = Gauge("graphql_subscriptions", "Subscriptions under way", ["field"])
