"""Channels as the event loop uses them: balanced, and over TLS if there are certificates. See `chassis.channels`."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import grpc.aio
from chassis.channels import BALANCING, CLOSE_SECONDS, Renewing, RenewingMethod, tls_options
from chassis.settings import Settings

OPTIONS = (
    *BALANCING,
    # A service that comes back is found again within a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    # Channels to one address would otherwise share a connection with those of other event loops.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
)

_LOOK_SECONDS = 0.01
"""How often the state of connections is looked at while a call waits for one."""


class ServiceChannel:
    """A channel to a service, to make stubs on. Made in the event loop that uses it."""

    def __init__(self, process: Settings, service: str, target: str) -> None:
        options = (*OPTIONS, *tls_options(process, service))
        if process.certificates is None:
            channel = grpc.aio.insecure_channel(target, options=options)
            self._current: Callable[[], grpc.aio.Channel] = lambda: channel
            return
        self._parted: set[asyncio.Task[None]] = set()
        self._current = Renewing(
            process.certificates, lambda secret: grpc.aio.secure_channel(target, secret, options=options), self._part
        ).current

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """See `grpc.aio.Channel`."""
        return RenewingMethod(self._current, lambda channel: channel.unary_unary(method, *args, **kwargs))

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """See `grpc.aio.Channel`."""
        return RenewingMethod(self._current, lambda channel: channel.unary_stream(method, *args, **kwargs))

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """See `grpc.aio.Channel`."""
        return RenewingMethod(self._current, lambda channel: channel.stream_unary(method, *args, **kwargs))

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """See `grpc.aio.Channel`."""
        return RenewingMethod(self._current, lambda channel: channel.stream_stream(method, *args, **kwargs))

    def state(self) -> str:
        """The state of the connections, e.g. `READY`. Asking connects if they are idle."""
        return str(self._current().get_state(try_to_connect=True).name)

    async def connected(self, until: float) -> None:
        """Wait until a call can be sent, at most until a time of the monotonic clock.

        A replica that drains takes no more calls, and if it is the only one that is known, the next is found by looking
        up the name again.
        """
        while self._current().get_state(try_to_connect=True) is not grpc.ChannelConnectivity.READY:
            if time.monotonic() >= until:
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def close(self, grace: float) -> None:
        """Close the connections, once calls under way have ended or `grace` seconds have passed."""
        await self._current().close(grace=grace)

    def _part(self, former: grpc.aio.Channel) -> None:
        task = asyncio.get_running_loop().create_task(former.close(grace=CLOSE_SECONDS))
        self._parted.add(task)
        task.add_done_callback(self._parted.discard)
