"""`gateway`: serves the public API of the suite."""

import gc
import socket
import sys
import threading
import time
from types import FrameType
from typing import Any

import uvicorn
from chassis import logs, stacks, telemetry
from chassis.errors import DomainError
from chassis.settings import Settings
from starlette.applications import Starlette

from gateway.settings import GatewaySettings

SOCKET_BYTES = 1024 * 1024
"""The longest message that a WebSocket takes."""


def application() -> Starlette:
    """The application by the environment, for each server process."""
    # What is imported and built stays: looking for garbage in it is a sixth of the start.
    gc.disable()
    from gateway.app import make_app

    process = Settings.read()
    logs.start(process, "gateway")
    stacks.tell_when_asked()
    telemetry.start(process, "gateway")
    app = make_app(GatewaySettings.read(process))
    _settle()
    return app


def _settle() -> None:
    """Take what a started server consists of, the schema above all, out of the garbage collector's rounds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    gc.enable()


def proxy_options(settings: GatewaySettings) -> dict[str, Any]:
    """Whose word is taken for where a client is. Who could name any address would escape the brake on guessing."""
    return {
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": ",".join(settings.trusted_proxies),
    }


def main() -> None:
    """Serve until told to stop."""
    stacks.tell_when_asked()  # also by a process that only looks after others
    try:
        settings = GatewaySettings.read(Settings.read())
    except DomainError as error:
        sys.exit(f"gateway: {error}")
    try:
        if settings.workers == 1:
            server = DrainingServer(application(), settings)
            server.run()
            if not server.started:
                sys.exit("gateway: it could not start; the log says why")
        else:
            uvicorn.run("gateway.main:application", factory=True, workers=settings.workers, **_options(settings))
    finally:
        telemetry.stop()


def _options(settings: GatewaySettings) -> dict[str, Any]:
    host, _, port = settings.listen.rpartition(":")
    return {
        "host": host or "0.0.0.0",  # noqa: S104 - all interfaces, as said
        "port": int(port),
        "loop": "uvloop",
        "http": "httptools",
        "ws": "websockets-sansio",
        "ws_max_size": SOCKET_BYTES,
        **proxy_options(settings),
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": int(settings.process.stop_seconds),
    }


class DrainingServer(uvicorn.Server):
    """A server that goes on for `DRAIN_SECONDS` after it was told to stop, while it says that it is not ready."""

    def __init__(self, app: Starlette, settings: GatewaySettings) -> None:
        super().__init__(uvicorn.Config(app, **_options(settings)))
        self._gateway = app.state.gateway
        self._drain_seconds = settings.process.drain_seconds
        self._stop_seconds = settings.process.stop_seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called on SIGTERM and SIGINT. Told again, it stops at once."""
        if self._gateway.draining or not self.started:
            super().handle_exit(sig, frame)
            return
        self._gateway.draining = True
        timer = threading.Timer(self._drain_seconds, self._end)
        timer.daemon = True
        timer.start()

    def _end(self) -> None:
        # Not as the library does it, which in the end dies of the signal, and not with exit code 0.
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called when that time is over. Nobody connects any more; what is under way is finished."""
        for server in self.servers:
            server.close()
        began = time.monotonic()
        # The library itself would cut off WebSockets at once, with all that is under way over them.
        await self._gateway.websocket.leave(self._stop_seconds)
        left = self._stop_seconds - (time.monotonic() - began)
        self.config.timeout_graceful_shutdown = max(0, round(left))
        await super().shutdown(sockets)


if __name__ == "__main__":
    main()
