"""`gateway`: serves the public API of the suite."""

import sys
from typing import Any

import uvicorn
from chassis import logs, telemetry
from chassis.errors import DomainError
from chassis.settings import Settings
from starlette.applications import Starlette

from gateway.app import make_app
from gateway.settings import GatewaySettings

SOCKET_BYTES = 1024 * 1024
"""The longest message that a WebSocket takes."""
DRAIN_SECONDS = 10


def application() -> Starlette:
    """The application by the environment, for each server process."""
    process = Settings.read()
    logs.start(process, "gateway")
    telemetry.start(process, "gateway")
    return make_app(GatewaySettings.read(process))


def proxy_options(settings: GatewaySettings) -> dict[str, Any]:
    """Whose word is taken for where a client is. Who could name any address would escape the brake on guessing."""
    return {
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": ",".join(settings.trusted_proxies),
    }


def main() -> None:
    """Serve until told to stop."""
    try:
        settings = GatewaySettings.read(Settings.read())
    except DomainError as error:
        sys.exit(f"gateway: {error}")
    host, _, port = settings.listen.rpartition(":")
    try:
        uvicorn.run(
            "gateway.main:application",
            factory=True,
            host=host or "0.0.0.0",  # noqa: S104 - all interfaces, as said
            port=int(port),
            workers=settings.workers,
            loop="uvloop",
            http="httptools",
            ws="websockets-sansio",
            ws_max_size=SOCKET_BYTES,
            **proxy_options(settings),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    finally:
        telemetry.stop()


if __name__ == "__main__":
    main()
