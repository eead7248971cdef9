"""What this service's command line offers besides what every service's does."""

import sys

from chassis.callers import service_caller
from chassis.service import Runtime, ServiceCommand

from customers.pools.replay import replay
from customers.searching.rebuilding import rebuild


def verify_ledger(runtime: Runtime) -> int:
    """Print whether the ledger of holders leads to the holders there are. 1 if it does not."""
    with runtime.database.read(service_caller("customers")) as session:
        verdict = replay(session)
    if verdict.mismatch is not None:
        print(f"the ledger and the customers disagree: {verdict.mismatch}", file=sys.stderr)
        return 1
    print(f"the ledger is whole: {verdict.changes} changes of {verdict.customers} customers lead to what is")
    return 0


def rebuild_search(runtime: Runtime) -> int:
    """Bring what customers and contacts are searched by up to date."""
    print(f"{rebuild(runtime.database)} customers and contacts are searched by more, or otherwise, than before")
    return 0


COMMANDS = (
    ServiceCommand(
        group="search",
        about_group="look after what customers and contacts are searched by",
        name="rebuild",
        about="bring it up to date after a release that searches by more",
        run=rebuild_search,
    ),
    ServiceCommand(
        group="ledger",
        about_group="look after the ledger of who held which customer",
        name="verify",
        about="replay the ledger and check that it leads to the holders there are",
        run=verify_ledger,
    ),
)
