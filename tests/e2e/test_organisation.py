"""The company's profile and working calendar through GraphQL, and how all services learn of them."""

from datetime import UTC, datetime
from io import BytesIO

import httpx
import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLError
from PIL import Image

PROFILE = "{ organisation { id name currency timeZone firstDayOfWeek statutoryCalendar logoUrl etag } }"
UPDATE = "mutation($input: UpdateOrganisationInput!) { updateOrganisation(input: $input) { etag timeZone name } }"
WEEK = "{ workingWeek { etag windows { day start end } } }"
SET_WEEK = "mutation($input: UpdateWorkingWeekInput!) { updateWorkingWeek(input: $input) { etag } }"
SET_DAY = "mutation($input: SetSpecialDayInput!) { setSpecialDay(input: $input) { date source etag } }"
DELETE_DAY = "mutation($input: DeleteSpecialDayInput!) { deleteSpecialDay(input: $input) }"
DAYS = """query($from: String!, $to: String!) { workingDays(startDate: $from, endDate: $to) {
  workingDayCount statutoryYearsUnknown days { date working specialName windows { start end } } } }"""
SPECIAL = """query($year: Int!, $after: String) { specialDays(year: $year, first: 20, after: $after) {
  statutoryDaysUnknown nodes { date working source } pageInfo { hasNextPage endCursor } } }"""
LOGO = "mutation($file: Upload!) { setOrganisationLogo(file: $file) { logoUrl } }"


def known(suite, service):
    """What a service knows of the company; nothing until it has heard of it."""
    with suite.database(service) as connection:
        rows = connection.execute("SELECT state FROM known_organisation").fetchall()
        return rows[0][0] if rows else {"time_zone": "", "weekly": [{"windows": []}]}


def test_a_change_of_the_profile_is_felt_by_all_services(suite, admin, organisation):
    _, rep = organisation.user(organisation.department("销售"), organisation.role("SELF", "customer.read"))
    before = rep.run(PROFILE)["organisation"]
    assert (before["id"], before["statutoryCalendar"]) == ("organisation", "CHINA")
    with pytest.raises(GraphQLError) as refused:
        rep.run(UPDATE, input={"name": "别的公司"})
    assert refused.value.reasons == ["PERMISSION_DENIED"]
    admin.run(UPDATE, input={"timeZone": "Asia/Urumqi", "etag": before["etag"]})
    try:
        for service in ("customers", "leads", "identity"):
            eventually(lambda service=service: known(suite, service)["time_zone"] == "Asia/Urumqi")
        with pytest.raises(GraphQLError) as refused:
            admin.run(UPDATE, input={"name": "晚到的改动", "etag": before["etag"]})
        assert refused.value.reasons == ["STALE_ETAG"]
    finally:
        admin.run(UPDATE, input={"timeZone": before["timeZone"]})
    for service in ("customers", "leads"):
        eventually(lambda service=service: known(suite, service)["time_zone"] == before["timeZone"])


def test_clients_show_when_the_company_works(suite, admin):
    week = admin.run(WEEK)["workingWeek"]
    windows = [{"day": day, "start": "10:00", "end": "19:00"} for day in ("MONDAY", "SATURDAY")]
    admin.run(SET_WEEK, input={"windows": windows, "etag": week["etag"]})
    admin.run(
        SET_DAY,
        input={"date": "2026-10-01", "working": True, "name": "值班", "windows": [{"start": "10:00", "end": "12:00"}]},
    )
    try:
        found = admin.run(DAYS, **{"from": "2026-10-01", "to": "2026-10-12"})["workingDays"]
        assert [day["date"][-2:] for day in found["days"] if day["working"]] == ["01", "10", "12"]
        assert found["workingDayCount"] == 3
        assert found["days"][0]["windows"] == [{"start": "10:00", "end": "12:00"}]
        assert found["days"][1]["specialName"] == "国庆节"
        eventually(lambda: known(suite, "leads")["weekly"][0]["windows"] == ["10:00-19:00"])
    finally:
        admin.run(DELETE_DAY, input={"date": "2026-10-01"})
        admin.run(SET_WEEK, input={"windows": week["windows"]})
        opens = [f"{one['start']}-{one['end']}" for one in week["windows"] if one["day"] == "MONDAY"]
        for service in ("customers", "leads"):  # what others test goes by it
            eventually(lambda service=service: known(suite, service)["weekly"][0]["windows"] == opens)
    nodes, after = [], None
    while True:
        page = admin.run(SPECIAL, year=2026, after=after)["specialDays"]
        nodes += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert {"date": "2026-10-10", "working": True, "source": "STATUTORY"} in nodes
    assert len({node["date"] for node in nodes}) == len(nodes) > 20
    far = datetime.now(UTC).year + 20
    assert admin.run(SPECIAL, year=far)["specialDays"] == {
        "statutoryDaysUnknown": True,
        "nodes": [],
        "pageInfo": {"hasNextPage": False, "endCursor": None},
    }


def test_the_logo_is_shown_to_whoever_is_signed_in(suite, admin):
    file = BytesIO()
    Image.new("RGB", (32, 32), "blue").save(file, "PNG")
    shown = admin.upload(LOGO, "variables.file", ("logo.png", file.getvalue()), file=None)["setOrganisationLogo"]
    address = f"{suite.gateway_url}{shown['logoUrl']}"
    token = {"authorization": f"Bearer {admin.token}"}
    assert httpx.get(address, timeout=30).status_code == 401
    found = httpx.get(address, headers=token, timeout=30)
    assert (found.status_code, found.headers["content-type"], found.content) == (200, "image/png", file.getvalue())
    with pytest.raises(GraphQLError) as refused:
        admin.upload(LOGO, "variables.file", ("logo.svg", b"<svg/>"), file=None)
    assert refused.value.reasons == ["INVALID_LOGO"]
    admin.run("mutation { removeOrganisationLogo { logoUrl } }")
    assert httpx.get(address, headers=token, timeout=30).status_code == 404
