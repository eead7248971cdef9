"""`names.py STATE`: resolves the names of services in the node's network, those of headless ones to their ready pods.

It asks the API for what there is and tells dnsmasq, until the API is gone for good.
"""

import json
import signal
import ssl
import subprocess
import sys
import time
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

API = "10.200.0.1:6443"
ADDRESS = "10.200.0.1"
PORT = 5353
PERIOD_SECONDS = 0.3
PATIENCE = 60
"""So many failures in a row mean that the node is gone."""


class Api:
    """The node's API, asked again and again over one connection."""

    def __init__(self) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._connection = HTTPSConnection(API, timeout=5, context=context)

    def get(self, kind: str) -> list[dict[str, Any]]:
        """All resources of a kind. Raises OSError or ValueError if it does not answer."""
        try:
            self._connection.request("GET", f"/api/v1/{kind}", headers={"authorization": "Bearer admintoken"})
            return json.loads(self._connection.getresponse().read())["items"]
        except HTTPException as error:
            self._connection.close()
            raise OSError("the API does not answer") from error
        except OSError:
            self._connection.close()
            raise


def main() -> None:
    """Keep dnsmasq up to date."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    hosts = Path(sys.argv[1]) / "names.hosts"
    hosts.write_text("")
    options = ["--keep-in-foreground", "--no-resolv", "--no-hosts", f"--addn-hosts={hosts}", "--local=/cluster.local/"]
    # Whoever asks gets what is there now: nothing is kept.
    listen = [f"--listen-address={ADDRESS}", f"--port={PORT}", "--bind-interfaces", "--local-ttl=1", "--pid-file="]
    server = subprocess.Popen(["dnsmasq", *options, *listen])
    api, failures = Api(), 0
    try:
        while failures < PATIENCE:
            time.sleep(PERIOD_SECONDS)
            try:
                text = "".join(f"{address} {name}\n" for address, name in sorted(names(api)))
                failures = 0
            except (OSError, ValueError, KeyError):
                failures += 1
                continue
            if text != hosts.read_text():
                hosts.write_text(text)
                server.send_signal(signal.SIGHUP)
    finally:
        server.terminate()


def names(api: Api) -> set[tuple[str, str]]:
    """Addresses with the names that they are found under."""
    found = set()
    headless = set()
    for service in api.get("services"):
        name, address = full_name(service), service["spec"].get("clusterIP")
        if address == "None":
            headless.add(name)
        elif address:
            found.add((address, name))
    for endpoints in api.get("endpoints"):
        if full_name(endpoints) in headless:
            for subset in endpoints.get("subsets") or ():
                found.update((each["ip"], full_name(endpoints)) for each in subset.get("addresses") or ())
    return found


def full_name(resource: dict[str, Any]) -> str:
    """The name of a service within the cluster."""
    return f"{resource['metadata']['name']}.{resource['metadata']['namespace']}.svc.cluster.local"


if __name__ == "__main__":
    main()
