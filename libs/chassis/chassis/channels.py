"""Channels to the suite's servers: over all replicas but those that drain, and over TLS if there are certificates.

Each call goes to the next of the addresses that the target's name has. A client watches the health of each replica
under the name TRAFFIC, so that one that is told to stop gets no more calls while it still answers those it has. Servers
end connections of some age (`MAX_CONNECTION_AGE_SECONDS`), on which the name is looked up again.
"""

import json
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import grpc

from chassis import metrics
from chassis.certificates import Certificate, CertificateFiles, Renewal, expiry
from chassis.settings import Settings

TRAFFIC = "traffic"
"""What a server's health is watched under by those that spread calls: it serves until the server drains, whatever else
is wrong. A server that cannot work says so itself, with a reason, better than a connection that seems to be gone."""

ADMITTED = "admitted"
"""The metadata by which a server says that a call with a stream of requests is let in, before it has read any."""

LOOK_SECONDS = 10.0
"""How often certificates are looked at."""

CLOSE_SECONDS = 60.0
"""How long calls may go on over a connection that was made with the certificate before."""

BALANCING = (
    (
        "grpc.service_config",
        json.dumps({"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": TRAFFIC}}),
    ),
    # A name is looked up when a connection ends; by default it would not be again within 30 s.
    ("grpc.dns_min_time_between_resolutions_ms", 2_000),
)

Channel = TypeVar("Channel")


class Renewing(Generic[Channel]):
    """A channel that is made anew when the certificates are renewed, for connections to come."""

    def __init__(
        self,
        files: CertificateFiles,
        make: Callable[[grpc.ChannelCredentials], Channel],
        part: Callable[[Channel], Any],
    ) -> None:
        """`part` is given the channel that was replaced, to close it when its calls have ended."""
        self._renewal = Renewal(files)
        self._make, self._part = make, part
        self._lock = threading.Lock()
        self._look_at = time.monotonic() + LOOK_SECONDS
        self._channel = make(credentials(self._renewal.current))

    def current(self) -> Channel:
        """The channel to call by now."""
        if time.monotonic() >= self._look_at:
            self._look()
        return self._channel

    def _look(self) -> None:
        with self._lock:
            if time.monotonic() < self._look_at:
                return
            self._look_at = time.monotonic() + LOOK_SECONDS
            if (renewed := self._renewal.renewed()) is not None:
                former, self._channel = self._channel, self._make(credentials(renewed))
                self._part(former)


class RenewingMethod:
    """A method of such a channel, for any kind of call."""

    def __init__(self, current: Callable[[], Any], make: Callable[[Any], Any]) -> None:
        self._current, self._make = current, make
        self._made: tuple[Any, Any] = (None, None)

    def _now(self) -> Any:
        channel, (made_on, method) = self._current(), self._made
        if channel is not made_on:
            method = self._make(channel)
            self._made = channel, method
        return method

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._now()(*args, **kwargs)

    def with_call(self, *args: Any, **kwargs: Any) -> Any:
        """See `grpc.UnaryUnaryMultiCallable`."""
        return self._now().with_call(*args, **kwargs)

    def future(self, *args: Any, **kwargs: Any) -> Any:
        """See `grpc.UnaryUnaryMultiCallable`."""
        return self._now().future(*args, **kwargs)


class RenewingChannel(grpc.Channel):
    """The same as gRPC knows it."""

    def __init__(self, files: CertificateFiles, make: Callable[[grpc.ChannelCredentials], grpc.Channel]) -> None:
        self._channels = Renewing(files, make, _close_later)

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """See `grpc.Channel`."""
        return RenewingMethod(self._channels.current, lambda channel: channel.unary_unary(method, *args, **kwargs))

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """See `grpc.Channel`."""
        return RenewingMethod(self._channels.current, lambda channel: channel.unary_stream(method, *args, **kwargs))

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """See `grpc.Channel`."""
        return RenewingMethod(self._channels.current, lambda channel: channel.stream_unary(method, *args, **kwargs))

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """See `grpc.Channel`."""
        return RenewingMethod(self._channels.current, lambda channel: channel.stream_stream(method, *args, **kwargs))

    def subscribe(self, callback: Any, try_to_connect: bool | None = False) -> None:
        """Be told of the state of the connections there are now."""
        self._channels.current().subscribe(callback, try_to_connect=bool(try_to_connect))

    def unsubscribe(self, callback: Any) -> None:
        """See `grpc.Channel`."""
        self._channels.current().unsubscribe(callback)

    def close(self) -> None:
        """Close the connections."""
        self._channels.current().close()

    def __enter__(self) -> "RenewingChannel":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def open_target(settings: Settings, service: str, options: Any) -> grpc.Channel:
    """A channel to another service, balanced, over TLS if there are certificates."""
    target, options = settings.target(service), (*BALANCING, *options)
    if settings.certificates is None:
        return grpc.insecure_channel(target, options=options)
    named = (*options, *tls_options(settings, service))
    return RenewingChannel(settings.certificates, lambda secret: grpc.secure_channel(target, secret, options=named))


def tls_options(settings: Settings, service: str) -> tuple[tuple[str, str], ...]:
    """What a secure channel to a service is told besides: the name on its certificate, if that is not the target's."""
    name = settings.tls_name(service)
    return (("grpc.ssl_target_name_override", name),) if name else ()


def credentials(certificate: Certificate) -> grpc.ChannelCredentials:
    """What a client shows and trusts."""
    metrics.CERTIFICATE_EXPIRY.set(expiry(certificate).timestamp())
    return grpc.ssl_channel_credentials(certificate.authority, certificate.key, certificate.chain)


def server_credentials(files: CertificateFiles) -> grpc.ServerCredentials:
    """What a server shows and whom it lets in: clients with a certificate of the CA. The files are looked at whenever a
    client connects. Raises Invalid INVALID_SETTING if they cannot be used."""
    renewal = Renewal(files)

    def fetch() -> Any:
        renewed = renewal.renewed()
        return None if renewed is None else _configuration(renewed)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(renewal.current), fetch, require_client_authentication=True
    )


def _configuration(certificate: Certificate) -> Any:
    metrics.CERTIFICATE_EXPIRY.set(expiry(certificate).timestamp())
    return grpc.ssl_server_certificate_configuration([(certificate.key, certificate.chain)], certificate.authority)


def _close_later(channel: grpc.Channel) -> None:
    timer = threading.Timer(CLOSE_SECONDS, channel.close)
    timer.daemon = True
    timer.start()
