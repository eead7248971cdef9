"""Visits in the field through GraphQL: fences, pictures, how far check-ins are to be trusted, routes and coverage."""

import hashlib
from datetime import UTC, datetime, timedelta
from io import BytesIO
from uuid import uuid4

import httpx
import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient, GraphQLError
from PIL import Image

LATITUDE, LONGITUDE = 31.2304, 121.4737
METRE = 1 / 111_195.0802
"""Degrees of latitude."""
SHOWN = (
    "id subject subjectTitle checkInTime geofence distanceMetres trustScore trustReasons reviewState end "
    "durationSeconds photos { digest contentType path } followUp"
)
START = f"mutation($input: StartVisitInput!) {{ startVisit(input: $input) {{ {SHOWN} }} }}"
END = f"mutation($input: EndVisitInput!) {{ endVisit(input: $input) {{ {SHOWN} }} }}"
PHOTO = (
    "mutation($file: Upload!, $input: AddVisitPhotoInput!) "
    f"{{ addVisitPhoto(file: $file, input: $input) {{ {SHOWN} }} }}"
)
WORK = ("visit.read", "visit.create", "customer.read", "customer.create", "follow_up.create", "follow_up.read")


def north(metres: float) -> dict:
    return {"latitude": LATITUDE + metres * METRE, "longitude": LONGITUDE, "accuracyMetres": 20}


@pytest.fixture
def team(organisation):
    """A manager who heads a department, and somebody in the field."""
    department = organisation.department("外勤")
    manager = organisation.role("DEPARTMENT_TREE", *WORK, "visit.review", "visit.locate", "user.read")
    boss = organisation.user(department, manager)
    rep = organisation.user(department, organisation.role("SELF", *WORK))
    head = "mutation($input: UpdateDepartmentInput!) { updateDepartment(input: $input) { id } }"
    organisation.admin.run(head, input={"id": department, "headId": boss[0]})
    return department, boss, rep


def customer_of(client: GraphQLClient, name: str) -> str:
    create = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
    made: str = client.run(create, input={"name": f"{name}{uuid4().hex[:8]}"})["createCustomer"]["id"]
    return made


def move(admin: GraphQLClient, **to) -> None:
    document = "mutation($input: MoveTestClockInput!) { moveTestClock(input: $input) { now } }"
    admin.run(document, input=to)


def start(client: GraphQLClient, subject: str, metres: float = 0, **values) -> dict:
    given = {"subject": subject, "position": north(metres), **values}
    visit: dict = client.run(START, input=given)["startVisit"]
    return visit


def picture(colour: tuple[int, int, int]) -> bytes:
    file = BytesIO()
    Image.new("RGB", (30, 20), colour).save(file, "JPEG")
    return file.getvalue()


def add_photo(client: GraphQLClient, visit: str, data: bytes) -> dict:
    added: dict = client.upload(PHOTO, "variables.file", ("a.jpg", data), file=None, input={"id": visit})
    return dict(added["addVisitPhoto"])


def locate(manager: GraphQLClient, subject: str) -> None:
    document = "mutation($input: SetSubjectPositionInput!) { setSubjectPosition(input: $input) { suggested } }"
    given = {"subject": subject, "position": north(0)}
    eventually(lambda: "errors" not in manager.answer(document, input=given))


@pytest.mark.feature("C8")
def test_80_m_pass_450_m_are_stored_as_out_of_range_and_pictures_are_hashed(suite, admin, team, real_time):
    _, (_, boss), (rep_id, rep) = team
    customer = customer_of(rep, "外勤客户")
    locate(boss, customer)
    noon = (datetime.now(UTC) + timedelta(days=1)).replace(hour=4, minute=0, second=0, microsecond=0)
    move(admin, set=noon.isoformat())
    near = start(rep, customer, 80, deviceTime=(noon + timedelta(seconds=60)).isoformat())
    assert (near["geofence"], round(near["distanceMetres"]), near["trustScore"]) == ("INSIDE", 80, 100)
    assert noon <= datetime.fromisoformat(near["checkInTime"]) < noon + timedelta(seconds=60)
    data = picture((int(uuid4()) % 256, 10, 10)) + uuid4().bytes
    [photo] = add_photo(rep, near["id"], data)["photos"]
    assert photo["digest"] == hashlib.sha256(data).hexdigest()
    token = {"authorization": f"Bearer {rep.token}"}
    answer = httpx.get(suite.gateway_url + photo["path"], headers=token, timeout=30)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert Image.open(BytesIO(answer.content)).size == (30, 20)
    assert httpx.get(suite.gateway_url + photo["path"], timeout=30).status_code == 401
    report = {"content": "张总确认了样品，下周签约"}
    ended = rep.run(END, input={"id": near["id"], "report": report})["endVisit"]
    assert ended["end"] == "CHECK_OUT"
    logged = rep.run("query($id: ID!) { followUp(id: $id) { method verdictReasons } }", id=ended["followUp"])
    assert logged["followUp"]["method"] == "VISIT"
    assert "VALID_CHECK_IN" in logged["followUp"]["verdictReasons"]
    move(admin, advanceSeconds=600)
    far = start(rep, customer, 450)
    assert (far["geofence"], far["trustReasons"]) == ("OUT_OF_RANGE", ["OUT_OF_RANGE"])
    day = noon.date().isoformat()
    route = (
        "query($user: ID!, $date: Date!) { visitRoute(user: $user, date: $date) "
        "{ summary { visits distanceMetres } nodes { number distanceMetres visit { id } } } }"
    )
    way = boss.run(route, user=rep_id, date=day)["visitRoute"]
    assert [stop["visit"]["id"] for stop in way["nodes"]] == [near["id"], far["id"]]
    assert (way["summary"]["visits"], round(way["summary"]["distanceMetres"])) == (2, 370)
    customer_of(rep, "未访客户")
    coverage = (
        "query($user: ID!, $day: Date!) { visitCoverage(user: $user, startDate: $day, endDate: $day) "
        "{ summary { customers visited share } nodes { customerId visits } } }"
    )

    def covered() -> bool:
        seen = boss.run(coverage, user=rep_id, day=day)["visitCoverage"]
        counts = sorted(row["visits"] for row in seen["nodes"])
        return counts == [0, 2] and seen["summary"] == {"customers": 2, "visited": 1, "share": 0.5}

    eventually(covered)


@pytest.mark.feature("Z24")
def test_impossible_travel_and_a_repeated_picture_ask_a_manager_and_drop_nothing(admin, team, real_time):
    _, (_, boss), (_, rep) = team
    one, other = customer_of(rep, "甲"), customer_of(rep, "乙")
    eventually(lambda: "errors" not in rep.answer(START, input={"subject": one, "position": north(0)}))
    move(admin, advanceSeconds=1800)
    far = rep.run(START, input={"subject": other, "position": north(800_000)})["startVisit"]
    assert (far["trustReasons"], far["reviewState"]) == (["IMPOSSIBLE_TRAVEL"], "PENDING")
    data = picture((9, 9, 9)) + uuid4().bytes
    add_photo(rep, far["id"], data)
    again = add_photo(rep, far["id"], data)
    assert again["trustReasons"] == ["IMPOSSIBLE_TRAVEL", "REPEATED_PHOTO"]
    assert len(again["photos"]) == 2
    pending = {"condition": {"field": "reviewState", "operator": "EQUAL", "values": ["PENDING"]}}
    waiting = "query($filter: FilterInput) { visits(filter: $filter) { nodes { id } } }"
    assert [each["id"] for each in boss.run(waiting, filter=pending)["visits"]["nodes"]] == [far["id"]]
    review = "mutation($input: ReviewVisitInput!) { reviewVisit(input: $input) { reviewState reviewNote } }"
    decision = {"id": far["id"], "approve": False, "note": "不在现场"}
    with pytest.raises(GraphQLError):
        rep.run(review, input=decision)
    assert boss.run(review, input=decision)["reviewVisit"] == {"reviewState": "REJECTED", "reviewNote": "不在现场"}
    assert rep.run("query($id: ID!) { visit(id: $id) { id } }", id=far["id"])["visit"] == {"id": far["id"]}
