"""Optimistic locking (AIP-154): an entity counts its changes in an integer `version`, and its etag tells them apart."""

from chassis.errors import Stale


def etag(version: int) -> str:
    """The etag of a version of a record. Clients compare etags and read nothing into them."""
    return f"v{version}"


def check_etag(given: str, version: int) -> None:
    """Raise Stale unless the etag is that of the present version. The empty etag asks for no check."""
    if given and given != etag(version):
        raise Stale("STALE_ETAG", "somebody else changed this record first: read it again and retry")
