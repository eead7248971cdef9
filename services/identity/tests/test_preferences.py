"""What people choose for themselves: settings and saved views."""

from uuid import uuid4

import pytest
from crm.common.v1 import filter_pb2
from crm.identity.v1 import account_pb2, role_pb2, saved_view_pb2
from crm.identity.v1 import saved_view_service_pb2 as views_pb
from crm.identity.v1 import settings_service_pb2 as pb
from crm.identity.v1.saved_view_service_pb2_grpc import SavedViewServiceStub
from crm.identity.v1.settings_service_pb2_grpc import SettingsServiceStub
from identity.testing import grant, refused

MAIL, IN_APP = account_pb2.NOTIFICATION_CHANNEL_MAIL, account_pb2.NOTIFICATION_CHANNEL_IN_APP


@pytest.fixture(scope="module")
def settings(suite):
    return SettingsServiceStub(suite.channel)


@pytest.fixture(scope="module")
def views(suite):
    return SavedViewServiceStub(suite.channel)


def change(settings, caller, *paths, **fields):
    request = pb.UpdateMySettingsRequest(settings=account_pb2.UserSettings(**fields), request_id=str(uuid4()))
    request.update_mask.paths.extend(paths or [name for name in fields if name != "etag"])
    return settings.UpdateMySettings(request, metadata=caller)


def switch(kind="FOLLOW_UP_DUE", channel=MAIL, *, enabled=True):
    return account_pb2.NotificationSwitch(kind=kind, channel=channel, enabled=enabled)


def test_settings_begin_empty_and_keep_what_is_chosen(suite, settings):
    user, me = suite.somebody()
    first = settings.GetMySettings(pb.GetMySettingsRequest(), metadata=me)
    assert (first.locale, first.time_zone, list(first.notification_switches), first.web_layout) == ("zh-CN", "", [], "")
    chosen = change(
        settings,
        me,
        locale="en",
        time_zone="Europe/Berlin",
        notification_switches=[switch(), switch(channel=IN_APP, enabled=False)],
        web_layout='{"columns": [1, 2]}',
    )
    assert settings.GetMySettings(pb.GetMySettingsRequest(), metadata=me) == chosen
    assert suite.me(me).locale == "en"
    assert change(settings, me, "time_zone").web_layout == '{"columns": [1, 2]}'
    with refused("ABORTED", "STALE_ETAG"):
        change(settings, me, time_zone="Asia/Tokyo", etag=first.etag)
    assert suite.audited(user.name)[-1] == "user.update_settings"
    assert suite.events("UserChanged")[-1]["user"] == user.name


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"time_zone": "Mars/Olympus"}, "INVALID_TIME_ZONE"),
        ({"locale": "tlh"}, "INVALID_LOCALE"),
        ({"web_layout": "{"}, "INVALID_LAYOUT"),
        ({"mobile_layout": '"' + "x" * 65_536 + '"'}, "LAYOUT_TOO_LARGE"),
        ({"notification_switches": [switch("small letters")]}, "INVALID_NOTIFICATION_KIND"),
        ({"notification_switches": [switch(), switch(enabled=False)]}, "DUPLICATE_SWITCH"),
        ({"notification_switches": [switch(channel=0)]}, "INVALID_CHANNEL"),
        ({"notification_switches": [switch(f"KIND_{number}") for number in range(201)]}, "TOO_MANY_SWITCHES"),
    ],
)
def test_settings_that_make_no_sense_are_refused(suite, settings, fields, reason):
    _, me = suite.somebody()
    with refused("INVALID_ARGUMENT", reason):
        change(settings, me, **fields)


def test_a_machine_has_no_settings(suite, settings):
    from chassis.testing.edge import bearer
    from crm.identity.v1 import auth_service_pb2

    request = auth_service_pb2.IssueClientTokenRequest(client_id="svc-customers", client_secret=suite.service_secret)
    machine = bearer(suite.auth.IssueClientToken(request).access_token)
    with refused("NOT_FOUND", "USER_NOT_FOUND"):
        settings.GetMySettings(pb.GetMySettingsRequest(), metadata=machine)


def test_an_account_tells_what_the_caller_may_do_in_the_end(suite, settings):
    department = suite.department()
    roles = [
        suite.role(grant("customer.read", "SELF"), grant("user.read", "DEPARTMENT_TREE")),
        suite.role(grant("customer.read", "CUSTOM", department.name), grant("user.read")),
    ]
    user = suite.user(roles=roles)
    account = settings.GetMyAccount(pb.GetMyAccountRequest(), metadata=suite.sign_in(user.username))
    assert account.user.name == user.name
    assert account.settings.locale == "zh-CN"
    assert not account.must_change_password
    found = {item.permission: (list(item.scopes), list(item.departments)) for item in account.permissions}
    assert found == {
        "customer.read": ([role_pb2.DATA_SCOPE_SELF, role_pb2.DATA_SCOPE_CUSTOM], [department.name]),
        "user.read": ([role_pb2.DATA_SCOPE_ALL], []),
    }


def test_every_permission_is_spelled_out_for_an_administrator(suite, settings):
    account = settings.GetMyAccount(pb.GetMyAccountRequest(), metadata=suite.admin)
    held = {item.permission for item in account.permissions}
    assert {"customer.read", "user.create", "password_rules.update"} <= held
    assert "*" not in held


def owned_by(value):
    condition = filter_pb2.Condition(
        field="owner", operator=filter_pb2.OPERATOR_EQUAL, values=[filter_pb2.FilterValue(text=value)]
    )
    return filter_pb2.Filter(all=filter_pb2.FilterList(filters=[filter_pb2.Filter(condition=condition)]))


def create(views, caller, **fields):
    fields.setdefault("entity", "customer")
    fields.setdefault("display_name", f"视图{uuid4().hex[:8]}")
    request = views_pb.CreateSavedViewRequest(saved_view=saved_view_pb2.SavedView(**fields), request_id=str(uuid4()))
    return views.CreateSavedView(request, metadata=caller)


def update(views, caller, view, *paths, **fields):
    message = saved_view_pb2.SavedView(name=view.name, **fields)
    request = views_pb.UpdateSavedViewRequest(saved_view=message, request_id=str(uuid4()))
    request.update_mask.paths.extend(paths or [name for name in fields if name != "etag"])
    return views.UpdateSavedView(request, metadata=caller)


def get(views, caller, view):
    return views.GetSavedView(views_pb.GetSavedViewRequest(name=view.name), metadata=caller)


def names(views, caller, entity="customer", size=0):
    found, token = [], ""
    while True:
        request = views_pb.ListSavedViewsRequest(entity=entity, page_size=size, page_token=token)
        page = views.ListSavedViews(request, metadata=caller)
        found += [view.name for view in page.saved_views]
        token = page.next_page_token
        if not token:
            return found


def test_a_view_reads_back_as_it_was_kept(suite, views):
    user, me = suite.somebody()
    order = [filter_pb2.OrderBy(field="update_time", descending=True)]
    view = create(
        views,
        me,
        display_name="我的 客户",
        filter=owned_by(user.name),
        columns=["display_name", "custom.region"],
        order_by=order,
        is_default=True,
    )
    assert get(views, me, view) == view
    assert view.filter == owned_by(user.name)
    assert (list(view.columns), list(view.order_by), view.owner) == (
        ["display_name", "custom.region"],
        order,
        user.name,
    )
    changed = update(views, me, view, display_name="别的", filter=filter_pb2.Filter())
    assert (changed.display_name, changed.filter, list(changed.columns)) == (
        "别的",
        filter_pb2.Filter(),
        list(view.columns),
    )
    with refused("ABORTED", "STALE_ETAG"):
        update(views, me, view, display_name="太晚", etag=view.etag)
    views.DeleteSavedView(views_pb.DeleteSavedViewRequest(name=view.name, request_id=str(uuid4())), metadata=me)
    with refused("NOT_FOUND", "VIEW_NOT_FOUND"):
        get(views, me, view)
    assert suite.audited(view.name) == ["saved_view.create", "saved_view.update", "saved_view.delete"]


def test_one_view_at_most_is_the_default_of_an_entity(suite, views):
    _, me = suite.somebody()
    first, other = create(views, me, is_default=True), create(views, me, entity="lead", is_default=True)
    second = create(views, me, is_default=True)
    assert [get(views, me, view).is_default for view in (first, second, other)] == [False, True, True]
    update(views, me, first, is_default=True)
    assert [get(views, me, view).is_default for view in (first, second, other)] == [True, False, True]


def test_a_shared_view_is_seen_in_the_department_and_below_and_changed_by_its_owner_alone(suite, views):
    region = suite.department()
    team = suite.department(region.name)
    elsewhere = suite.department()
    owner, member, stranger = (suite.sign_in(suite.user(each.name).username) for each in (region, team, elsewhere))
    private, shared = create(views, owner), create(views, owner, shared_department=region.name)
    assert names(views, member) == [shared.name]
    assert names(views, stranger) == []
    assert set(names(views, owner, size=1)) == {private.name, shared.name}
    assert get(views, member, shared) == shared
    for caller, view in ((stranger, shared), (member, private)):
        with refused("NOT_FOUND", "VIEW_NOT_FOUND"):
            get(views, caller, view)
        with refused("NOT_FOUND", "VIEW_NOT_FOUND"):
            update(views, caller, view, display_name="别人的")
    with refused("PERMISSION_DENIED", "NOT_YOUR_VIEW"):
        update(views, member, shared, display_name="改一下")
    with refused("PERMISSION_DENIED", "OUT_OF_SCOPE"):
        create(views, member, shared_department=region.name)
    update(views, owner, shared, "shared_department")
    assert names(views, member) == []


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        ({"entity": "Customer"}, "INVALID_ARGUMENT", "INVALID_ENTITY"),
        ({"display_name": " "}, "INVALID_ARGUMENT", "INVALID_DISPLAY_NAME"),
        ({"columns": ["a b"]}, "INVALID_ARGUMENT", "INVALID_FIELD_NAME"),
        ({"columns": ["owner", "owner"]}, "INVALID_ARGUMENT", "DUPLICATE_FIELD"),
        ({"columns": [f"c{number}" for number in range(101)]}, "INVALID_ARGUMENT", "TOO_MANY_FIELDS"),
        (
            {"order_by": [filter_pb2.OrderBy(field=f"c{number}") for number in range(6)]},
            "INVALID_ARGUMENT",
            "TOO_MANY_FIELDS",
        ),
        ({"filter": owned_by("x" * 70_000)}, "INVALID_ARGUMENT", "FILTER_TOO_LARGE"),
        ({"shared_department": f"departments/{uuid4()}"}, "INVALID_ARGUMENT", "UNKNOWN_DEPARTMENT"),
    ],
)
def test_what_is_no_view_is_refused(suite, views, fields, code, reason):
    with refused(code, reason):
        create(views, suite.admin, **fields)


def test_a_filter_that_nests_too_deeply_is_refused(suite, views):
    nested = owned_by("x")
    for _ in range(8):
        outer = filter_pb2.Filter()
        getattr(outer, "not").CopyFrom(nested)
        nested = outer
    with refused("INVALID_ARGUMENT", "FILTER_TOO_DEEP"):
        create(views, suite.admin, filter=nested)


def test_names_and_numbers_of_views_are_limited_per_person(suite, views):
    _, me = suite.somebody()
    create(views, me, display_name="同名")
    with refused("ALREADY_EXISTS", "VIEW_NAME_TAKEN"):
        create(views, me, display_name="同名")
    create(views, me, display_name="同名", entity="lead")
    for _ in range(99):
        create(views, me)
    with refused("RESOURCE_EXHAUSTED", "TOO_MANY_VIEWS"):
        create(views, me)
    assert len(names(views, me, size=40)) == 100
