"""A person is invited, activates the account, signs in by phone, chooses settings, and resets a forgotten password."""

import email
import email.policy
import re
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient, GraphQLError

INVITE = """mutation($input: InviteUserInput!) {
  inviteUser(input: $input) { mailed activationLink user { id state } } }"""
LOGIN = "mutation($input: LoginInput!) { login(input: $input) { accessToken refreshToken mustChangePassword } }"
ACCOUNT = """{ myAccount { user { id name } mustChangePassword permissions { permission scopes }
  settings { locale timeZone webLayout notificationSwitches { kind channel enabled } } } }"""


def mails_to(suite, address: str) -> list[str]:
    """The texts of the mails to an address, oldest first. The ids of mails, which name their files, grow."""
    paths = sorted(suite.folder.mails.glob("*.eml"))
    messages = [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in paths]
    return [message.get_content() for message in messages if message["To"] == address]


def token_of(suite, address: str, number: int) -> str:
    eventually(lambda: len(mails_to(suite, address)) >= number, timeout=30)
    return re.search(r"#token=(\S+)", mails_to(suite, address)[number - 1])[1]


def sign_in(anyone: GraphQLClient, login: str, password: str) -> tuple[GraphQLClient, str]:
    pair = anyone.run(LOGIN, input={"username": login, "password": password})["login"]
    return GraphQLClient(anyone.url, pair["accessToken"]), pair["refreshToken"]


def test_the_life_of_an_account(suite, anyone, admin, organisation):
    department = organisation.department("邀请")
    role = organisation.role("SELF", "customer.read", "customer.create")
    address, phone = f"fang{uuid4().hex[:8]}@example.com", f"139{uuid4().int % 10**8:08d}"
    person = {
        "username": f"fang{uuid4().hex[:8]}",
        "name": "王芳",
        "departmentId": department,
        "roleIds": [role],
        "email": address,
        "phone": phone,
    }
    invited = admin.run(INVITE, input=person)["inviteUser"]
    assert (invited["mailed"], invited["activationLink"], invited["user"]["state"]) == (True, None, "INVITED")

    activate = "mutation($input: SetPasswordInput!) { activateAccount(input: $input) }"
    token = token_of(suite, address, 1)
    with pytest.raises(GraphQLError) as weak:
        anyone.run(activate, input={"token": token, "password": "1234567890"})
    assert weak.value.reasons == ["PASSWORD_TOO_COMMON"]
    anyone.run(activate, input={"token": token, "password": "first fine password"})

    me, refresh_token = sign_in(anyone, phone, "first fine password")
    choose = """mutation($input: UpdateMySettingsInput!) { updateMySettings(input: $input) { etag } }"""
    switch = {"kind": "FOLLOW_UP_DUE", "channel": "IN_APP", "enabled": False}
    settings = {"locale": "en", "timeZone": "Europe/Berlin", "webLayout": '{"a": 1}', "notificationSwitches": [switch]}
    me.run(choose, input=settings)
    account = me.run(ACCOUNT)["myAccount"]
    assert account["user"] == {"id": invited["user"]["id"], "name": "王芳"}
    assert account["settings"] == settings
    assert account["mustChangePassword"] is False
    assert {"permission": "customer.read", "scopes": ["SELF"]} in account["permissions"]

    forget = "mutation($input: RequestPasswordResetInput!) { requestPasswordReset(input: $input) }"
    assert anyone.run(forget, input={"login": phone}) == anyone.run(forget, input={"login": "nobody at all"})
    reset = "mutation($input: SetPasswordInput!) { completePasswordReset(input: $input) }"
    token = token_of(suite, address, 2)
    assert "somebody asked for a new password" in mails_to(suite, address)[1]
    anyone.run(reset, input={"token": token, "password": "second fine password"})
    with pytest.raises(GraphQLError) as used:
        anyone.run(reset, input={"token": token, "password": "third fine password"})
    assert used.value.reasons == ["INVALID_ACCOUNT_TOKEN"]

    eventually(lambda: reasons(me, ACCOUNT) == ["TOKEN_REVOKED"])
    refresh = "mutation($input: RefreshTokenInput!) { refreshTokens(input: $input) { accessToken } }"
    assert reasons(anyone, refresh, input={"refreshToken": refresh_token}) == ["INVALID_REFRESH_TOKEN"]
    credentials = {"username": address, "password": "first fine password"}
    assert reasons(anyone, LOGIN, input=credentials) == ["BAD_CREDENTIALS"]
    assert sign_in(anyone, address, "second fine password")[0].run(ACCOUNT)["myAccount"]["settings"] == settings


def reasons(client: GraphQLClient, document: str, **variables: object) -> list[str]:
    errors = client.answer(document, **variables).get("errors", [])
    return [error["extensions"]["reason"] for error in errors]


def test_a_saved_view_comes_back_in_the_words_it_was_kept_in(admin, organisation):
    department = organisation.department("视图")
    _, owner = organisation.user(department, organisation.role("SELF", "customer.read"))
    _, colleague = organisation.user(department, organisation.role("SELF", "customer.read"))
    create = """mutation($input: CreateSavedViewInput!) { createSavedView(input: $input) {
      id filter columns orderBy { field descending } isDefault etag } }"""
    condition = {"field": "ownerId", "operator": "IN", "values": ["users/1", "users/2"]}
    filter_ = {
        "all": [
            {"condition": condition},
            {"not": {"condition": {"field": "customFields.region", "operator": "IS_EMPTY", "values": []}}},
        ]
    }
    given = {
        "filter": filter_,
        "columns": ["name", "ownerId", "lastFollowUpTime"],
        "orderBy": [{"field": "updateTime", "descending": True}],
        "isDefault": True,
    }
    view = owner.run(
        create, input={"entity": "customer", "name": "重点客户", "sharedDepartmentId": department, **given}
    )["createSavedView"]
    assert {name: view[name] for name in given} == given
    listed = """{ savedViews(entity: "customer") { nodes { id name ownerId filter } } }"""
    assert [each["id"] for each in colleague.run(listed)["savedViews"]["nodes"]] == [view["id"]]
    update = "mutation($input: UpdateSavedViewInput!) { updateSavedView(input: $input) { filter columns } }"
    change = {"id": view["id"], "entity": "customer", "columns": ["name"]}
    assert reasons(colleague, update, input=change) == ["NOT_YOUR_VIEW"]
    assert owner.run(update, input=change)["updateSavedView"] == {"filter": filter_, "columns": ["name"]}
    fetched = owner.run("query($id: ID!) { node(id: $id) { ... on SavedView { name } } }", id=view["id"])
    assert fetched["node"] == {"name": "重点客户"}
    delete = "mutation($input: DeleteInput!) { deleteSavedView(input: $input) }"
    owner.run(delete, input={"id": view["id"]})
    assert colleague.run(listed)["savedViews"]["nodes"] == []


def test_an_address_that_a_client_claims_does_not_get_it_past_the_brake(suite, anyone, organisation):
    user, _ = organisation.user(organisation.department("防猜"), organisation.role("SELF", "customer.read"))
    username = organisation.admin.run("query($id: ID!) { user(id: $id) { username } }", id=user)["user"]["username"]
    found = []
    for number in range(11):
        anyone.http.headers["x-forwarded-for"] = f"203.0.113.{number}"
        found += reasons(anyone, LOGIN, input={"username": username, "password": "wrong password"})
    del anyone.http.headers["x-forwarded-for"]
    assert found == ["BAD_CREDENTIALS"] * 10 + ["TOO_MANY_ATTEMPTS"]
    unlock = "mutation($input: UserInput!) { unlockUser(input: $input) { id } }"
    organisation.admin.run(unlock, input={"id": user})
    assert reasons(anyone, LOGIN, input={"username": username, "password": "wrong password"}) == ["BAD_CREDENTIALS"]
