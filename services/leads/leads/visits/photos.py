"""Pictures of visits: what is sent is hashed as it is; what is kept is the picture alone.

The camera's notes (EXIF) are not kept: they tell of the employee's device, and anybody can write them. The picture is
turned as they say, and encoded anew, so that nothing but a picture is ever served. The hash is that of the file as it
was sent, so that who shows the same file again is found.

A file is written before the row that names it commits. If that fails, the file is in the store and nobody's: it is
served to nobody, and is the same file if the picture is sent again.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from typing import TYPE_CHECKING
from uuid import UUID

from chassis import audit, locks
from chassis.db import ServiceSession
from chassis.errors import Conflict, Exhausted, Invalid
from chassis.names import new_id
from sqlalchemy import exists, func, select

from leads.company_rules import read_rules
from leads.model import ReviewState, Visit, VisitPhoto
from leads.visits.checking_in import ask_for_review
from leads.visits.checking_out import own_visit
from leads.visits.facts import snapshot
from leads.visits.trust import RULES, TrustReason, VisitRules, score

if TYPE_CHECKING:
    from PIL import Image

MAX_BYTES = 6 * 1024 * 1024
MAX_PIXELS = 40_000_000
MAX_PHOTOS = 10
LATEST = timedelta(hours=24)
"""How long after a visit its pictures may come, from where there was no network."""
_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_QUALITY = 85


@dataclass(frozen=True)
class Picture:
    """A picture as it is kept."""

    digest: str
    """SHA-256 of what was sent, in hexadecimal digits."""
    data: bytes
    content_type: str

    @property
    def key(self) -> str:
        """Where it is in the object store: one file however often it is sent."""
        return f"visitPhotos/{self.digest[:2]}/{self.digest}"


def read_picture(data: bytes) -> Picture:
    """The picture in a file. Raises Invalid PHOTO_TOO_LARGE or INVALID_PHOTO."""
    from PIL import Image  # only who serves pictures needs the library

    if len(data) > MAX_BYTES:
        message = f"a picture has at most {MAX_BYTES // 2**20} MiB; send a smaller one"
        raise Invalid("PHOTO_TOO_LARGE", message, field="data", size=len(data))
    try:
        with Image.open(BytesIO(data), formats=tuple(_TYPES)) as image:
            kind, pixels = image.format or "", image.width * image.height
            if pixels > MAX_PIXELS:
                message = f"a picture has at most {MAX_PIXELS:,} pixels; send a smaller one"
                raise Invalid("PHOTO_TOO_LARGE", message, field="data", pixels=pixels)
            kept = _encoded(image, kind)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise Invalid("INVALID_PHOTO", "this is no sound JPEG, PNG or WebP picture", field="data") from None
    return Picture(hashlib.sha256(data).hexdigest(), kept, _TYPES[kind])


def _encoded(image: "Image.Image", kind: str) -> bytes:
    """The picture alone: only pixels and, where there are some, colours go into the new file."""
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(image)
    bare = upright.convert("RGBA" if upright.has_transparency_data and kind != "JPEG" else "RGB")
    bare.info.clear()
    file = BytesIO()
    bare.save(file, kind, **({} if kind == "PNG" else {"quality": _QUALITY}))
    return file.getvalue()


def require_room(session: ServiceSession, visit_id: UUID) -> Visit:
    """A visit of the caller that takes another picture. Raises NotFound, Denied NOT_YOURS, Conflict VISIT_ENDED if it
    ended too long ago, and Exhausted TOO_MANY_PHOTOS."""
    visit = own_visit(session, visit_id)
    if visit.check_out_time is not None and session.now > visit.check_out_time + LATEST:
        raise Conflict("VISIT_ENDED", "this visit is over", ended_by=visit.ended_by or "")
    count = session.scalar(select(func.count()).select_from(VisitPhoto).where(VisitPhoto.visit_id == visit_id)) or 0
    if count >= MAX_PHOTOS:
        raise Exhausted("TOO_MANY_PHOTOS", f"a visit has at most {MAX_PHOTOS} pictures", limit=MAX_PHOTOS)
    return visit


def hold_file(session: ServiceSession, key: str) -> None:
    """Let nobody else write or remove a file until the transaction ends: one that is shown anew must not be removed for
    whom it was erased."""
    locks.hold(session, f"file {key}")


def add_photo(session: ServiceSession, visit_id: UUID, picture: Picture) -> Visit:
    """Add a picture, which is in the object store, to a visit of the caller. Raises what `require_room` raises."""
    visit = require_room(session, visit_id)
    repeated = bool(session.scalar(select(exists().where(VisitPhoto.digest == picture.digest))))
    photo = VisitPhoto(
        id=new_id(),
        visit_id=visit.id,
        digest=picture.digest,
        content_type=picture.content_type,
        size_bytes=len(picture.data),
        object_key=picture.key,
        upload_time=session.now,
    )
    session.add(photo)
    session.flush()
    audit.record(session, "visit.add_photo", photo.name, None, {"visit": visit.name, "digest": photo.digest})
    if repeated:
        _distrust(session, visit, TrustReason.REPEATED_PHOTO)
    return visit


def _distrust(session: ServiceSession, visit: Visit, reason: TrustReason) -> None:
    """Lower the score of a visit, and ask a manager if it is too low now, whatever was decided before."""
    if reason in visit.trust_reasons:
        return
    rules, _ = read_rules(session, RULES, VisitRules)
    before = snapshot(visit)
    held = {*visit.trust_reasons, reason}
    visit.trust_reasons = [each for each in TrustReason if each in held]
    visit.trust_score = min(visit.trust_score, score(rules, visit.trust_reasons))
    visit.version += 1
    asks = visit.trust_score < rules.review_threshold and visit.review_state != ReviewState.PENDING
    if asks:
        visit.review_state = ReviewState.PENDING
    session.flush()
    audit.record(session, "visit.distrust", visit.name, before, snapshot(visit))
    if asks:
        ask_for_review(session, visit)
