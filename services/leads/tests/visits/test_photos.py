"""Pictures of visits: hashed as they were sent, kept without the camera's notes, found if they are shown again."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import BytesIO

import pytest
from chassis import audit
from chassis.callers import Reach, service_caller
from chassis.errors import Conflict, Denied, Exhausted, Invalid, NotFound
from chassis.names import new_id
from chassis.objects import open_objects
from chassis.personal_data import Person
from chassis.testing import make_caller
from leads.model import SubjectPosition, Visit, VisitPhoto
from leads.usecases.erase_person import erase_person
from leads.visits import personal
from leads.visits.checking_out import check_out
from leads.visits.photos import MAX_BYTES, add_photo, hold_file, read_picture
from leads.visits.queries import get_photo
from leads.visits.timers import purge_photos
from PIL import Image
from sqlalchemy import select, update


def picture(kind="JPEG", colour=(200, 30, 30), size=(40, 20), exif=None):
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, kind, **({"exif": exif} if exif is not None else {}))
    return file.getvalue()


@pytest.fixture
def show(database):
    """Add a picture to a visit."""

    def add(caller, visit, data):
        with database.write(caller) as session:
            changed = add_photo(session, visit.id, read_picture(data))
            session.expunge(changed)
            return changed

    return add


def test_a_picture_is_hashed_as_sent_and_kept_without_the_cameras_notes():
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Brand", 6  # the maker, and that it lies on its side
    exif.get_ifd(0x8825)[1] = "N"
    data = picture(exif=exif)
    kept = read_picture(data)
    assert kept.digest == hashlib.sha256(data).hexdigest()
    with Image.open(BytesIO(kept.data)) as image:
        assert not image.getexif()
        assert (image.format, image.size) == ("JPEG", (20, 40))
    assert b"Brand" not in kept.data


@pytest.mark.parametrize(("kind", "type_"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
def test_pictures_of_three_kinds_are_taken(kind, type_):
    assert read_picture(picture(kind)).content_type == type_


@pytest.mark.parametrize("data", [b"", b"<svg/>", picture()[:200], picture("GIF"), b"\xff\xd8\xff" + b"0" * 50])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(Invalid) as caught:
        read_picture(data)
    assert caught.value.reason == "INVALID_PHOTO"


def test_what_is_too_large_is_refused():
    for data in (b"0" * (MAX_BYTES + 1), picture("PNG", size=(8_000, 5_001))):
        with pytest.raises(Invalid) as caught:
            read_picture(data)
        assert caught.value.reason == "PHOTO_TOO_LARGE"


def test_the_same_file_shown_by_whomever_is_told(database, arrive, show, somebody, customer, known):
    data = picture()
    first = arrive(somebody, customer)
    assert show(somebody, first, data).trust_reasons == []
    other = make_caller(department_path="2/")
    second = arrive(other, type(customer)("customers", known(other.user_id, "2/")))
    distrusted = show(other, second, data)
    assert (distrusted.trust_reasons, distrusted.trust_score) == (["REPEATED_PHOTO"], 50)
    assert distrusted.review_state == "PENDING"
    again = show(somebody, first, picture(colour=(1, 2, 3)))
    assert again.trust_reasons == []


def test_only_ones_own_visit_takes_pictures_for_a_while_and_not_many(
    database, arrive, show, somebody, customer, directory, clock
):
    visit = arrive(somebody, customer)
    with pytest.raises(Denied):
        show(make_caller(), visit, picture())
    for number in range(10):
        show(somebody, visit, picture(colour=(number, 0, 0)))
    with pytest.raises(Exhausted):
        show(somebody, visit, picture(colour=(99, 0, 0)))
    clock.advance(timedelta(hours=1))
    late = arrive(somebody, customer)
    with database.write(somebody) as session:
        check_out(session, late.id, None, None, directory)
    clock.advance(timedelta(hours=24))
    show(somebody, late, picture(colour=(0, 1, 0)))
    clock.advance(timedelta(seconds=1))
    with pytest.raises(Conflict):
        show(somebody, late, picture(colour=(0, 2, 0)))


def test_a_picture_is_seen_by_who_sees_the_visit(database, arrive, show, somebody, customer):
    show(somebody, arrive(somebody, customer), picture())
    with database.read(somebody) as session:
        [photo_id] = session.scalars(select(VisitPhoto.id)).all()
        assert get_photo(session, photo_id).size_bytes > 0

    with database.read(make_caller("visit.read", reach=Reach.SELF)) as session, pytest.raises(NotFound):
        get_photo(session, photo_id)


def test_a_file_that_is_shown_anew_is_not_removed_for_whom_it_was_erased(
    database, arrive, show, somebody, customer, tmp_path, clock
):
    objects, kept = open_objects({"OBJECT_STORE": tmp_path.as_uri()}), read_picture(picture())
    objects.put(kept.key, kept.data)
    visit = arrive(somebody, customer)
    show(somebody, visit, picture())
    with database.write(service_caller("leads")) as session:
        session.execute(update(VisitPhoto).values(erased=True))
        audit.record(session, "visit.erase", visit.name, None, {"version": visit.version})

    def purge():
        with database.write(service_caller("leads")) as session:
            purge_photos(objects)(session, clock.now)

    with ThreadPoolExecutor(1) as pool:
        with database.write(somebody) as session:
            hold_file(session, kept.key)
            objects.put(kept.key, kept.data)
            removing = pool.submit(purge)
            with pytest.raises(TimeoutError):
                removing.result(0.5)
            add_photo(session, visit.id, kept)
        removing.result(60)
    assert b"".join(objects.read(kept.key)) == kept.data


def test_an_erasure_takes_pictures_and_places_and_the_file_that_nobody_else_shows(
    database, arrive, locate, show, somebody, customer, known, tmp_path, clock
):
    objects = open_objects({"OBJECT_STORE": tmp_path.as_uri()})
    shared, single = picture(), picture(colour=(9, 9, 9))
    for data in (shared, single):
        kept = read_picture(data)
        objects.put(kept.key, kept.data)
    locate(somebody, customer)
    visit = arrive(somebody, customer, note="王女士在家")
    for data in (shared, single):
        show(somebody, visit, data)
    clock.advance(timedelta(hours=1))
    show(somebody, arrive(somebody, type(customer)("customers", known(somebody.user_id, "1/"))), shared)
    person = Person(records=frozenset({customer.name}))
    with database.write(service_caller("leads")) as session:
        findings = list(personal.find(session, person))
        assert {each.kind for each in findings} == {"visit", "subject_position"}
        erase_person(session, person, findings)
    with database.write(service_caller("leads")) as session:
        erased = session.get_one(Visit, visit.id)
        assert (erased.latitude, erased.distance_metres, "王" in erased.note) == (None, 0.0, False)
        assert session.scalars(select(SubjectPosition)).all() == []
        with pytest.raises(NotFound):
            get_photo(session, session.scalars(select(VisitPhoto.id).where(VisitPhoto.erased)).first() or new_id())
        purge_photos(objects)(session, clock.now)
        assert set(session.scalars(select(VisitPhoto.object_key).where(VisitPhoto.erased))) == {""}
    assert b"".join(objects.read(read_picture(shared).key))
    with pytest.raises(NotFound):
        list(objects.read(read_picture(single).key))
