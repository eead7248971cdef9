"""Set or remove the company's logo."""

import hashlib
from dataclasses import dataclass
from io import BytesIO

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.etags import check_etag

from identity.company import get_profile
from identity.model import ORGANISATION_NAME, OrganisationProfile

MAX_BYTES = 256 * 1024
MAX_PIXELS = 2048
_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg"}


@dataclass(frozen=True)
class Logo:
    """A picture that was read to its end."""

    data: bytes
    content_type: str


def read_logo(data: bytes) -> Logo | None:
    """The logo in a file, None for an empty one. Raises Invalid LOGO_TOO_LARGE or INVALID_LOGO.

    Pictures that can hold scripts, such as SVG, are none: browsers show the logo to everybody.
    """
    from PIL import Image  # only who sets a logo needs the library

    if not data:
        return None
    if len(data) > MAX_BYTES:
        raise Invalid("LOGO_TOO_LARGE", f"a logo has at most {MAX_BYTES // 1024} KiB", field="data", size=len(data))
    try:
        with Image.open(BytesIO(data), formats=tuple(_TYPES)) as image:
            kind, size = image.format or "", image.size
            if max(size) <= MAX_PIXELS:
                image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise Invalid("INVALID_LOGO", "this is no sound PNG or JPEG picture", field="data") from None
    if max(size) > MAX_PIXELS:
        message = f"a logo has at most {MAX_PIXELS} pixels each way, not {size[0]} × {size[1]}"
        raise Invalid("LOGO_TOO_LARGE", message, field="data")
    return Logo(data, _TYPES[kind])


def set_organisation_logo(session: ServiceSession, logo: Logo | None, etag: str) -> OrganisationProfile:
    """Keep a logo, or none."""
    session.caller.require_everything("organisation.update")
    profile = get_profile(session, lock=True)
    check_etag(etag, profile.version)
    before = profile.snapshot()
    profile.logo_digest = hashlib.sha256(logo.data).hexdigest()[:32] if logo else None
    if profile.snapshot() == before:
        return profile
    profile.logo, profile.logo_type = (logo.data, logo.content_type) if logo else (None, None)
    profile.version += 1
    profile.update_time = session.now
    session.flush()
    audit.record(session, "organisation.set_logo", ORGANISATION_NAME, before, profile.snapshot())
    return profile
