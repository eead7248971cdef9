"""The organisations outside the company, and the users who work for them."""

from uuid import uuid4

import jwt
import pytest
from chassis.testing import eventually
from crm.identity.v1 import partner_pb2, partner_service_pb2_grpc, role_service_pb2, user_pb2
from crm.identity.v1 import partner_service_pb2 as pb
from identity.testing import grant, outcome, refused


@pytest.fixture
def stub(suite):
    return partner_service_pb2_grpc.PartnerServiceStub(suite.channel)


@pytest.fixture
def create(suite, stub):
    def make(**fields):
        fields.setdefault("display_name", suite.unique("伙伴"))
        request = pb.CreatePartnerRequest(partner=partner_pb2.Partner(**fields), request_id=str(uuid4()))
        return stub.CreatePartner(request, metadata=suite.admin)

    return make


def update(suite, stub, partner, *paths):
    request = pb.UpdatePartnerRequest(partner=partner, request_id=str(uuid4()))
    request.update_mask.paths.extend(paths)
    return stub.UpdatePartner(request, metadata=suite.admin)


def delete(suite, stub, partner, etag=""):
    request = pb.DeletePartnerRequest(name=partner.name, etag=etag, request_id=str(uuid4()))
    stub.DeletePartner(request, metadata=suite.admin)


def test_a_partner_is_created_read_changed_and_deleted(suite, stub, create):
    manager = suite.user()
    made = create(
        contact_name=" 王芳 ", contact_phone="138 0013 8000", contact_email="Wang@EXAMPLE.com", manager=manager.name
    )
    assert (made.contact_name, made.contact_phone) == ("王芳", "+8613800138000")
    assert made.contact_email == "Wang@example.com"
    assert stub.GetPartner(pb.GetPartnerRequest(name=made.name), metadata=suite.admin) == made
    names = [f"partners/{uuid4()}", made.name, made.name]
    batch = stub.BatchGetPartners(pb.BatchGetPartnersRequest(names=names), metadata=suite.admin)
    assert list(batch.partners) == [made]
    changed = update(suite, stub, partner_pb2.Partner(name=made.name, remark="金牌"), "remark", "manager")
    assert (changed.remark, changed.manager) == ("金牌", "")
    assert update(suite, stub, partner_pb2.Partner(name=made.name, remark="金牌"), "remark") == changed
    with refused("ABORTED", "STALE_ETAG"):
        delete(suite, stub, made, etag=made.etag)
    delete(suite, stub, made, etag=changed.etag)
    with refused("NOT_FOUND", "PARTNER_NOT_FOUND"):
        stub.GetPartner(pb.GetPartnerRequest(name=made.name), metadata=suite.admin)
    assert suite.audited(made.name) == ["partner.create", "partner.update", "partner.delete"]


def test_partners_are_listed_by_name_page_by_page(suite, stub, create):
    made = {create(display_name=f"{mark}{suite.unique('伙伴')}").display_name for mark in "乙甲丙"}
    found, token = [], ""
    while True:
        page = stub.ListPartners(pb.ListPartnersRequest(page_size=2, page_token=token), metadata=suite.admin)
        found += [partner.display_name for partner in page.partners]
        token = page.next_page_token
        if not token:
            break
    assert found == sorted(found)
    assert made <= set(found)


def test_what_cannot_be_a_partner_is_refused(suite, stub, create):
    made = create()
    with refused("ALREADY_EXISTS", "PARTNER_NAME_TAKEN"):
        create(display_name=made.display_name)
    outsider = suite.user(partner=made.name)
    gone = suite.user(state=user_pb2.USER_STATE_DEACTIVATED)
    for manager in (outsider.name, gone.name, f"users/{uuid4()}"):
        with refused("INVALID_ARGUMENT", "UNKNOWN_MANAGER"):
            create(manager=manager)
    with refused("INVALID_ARGUMENT", "INVALID_PHONE"):
        create(contact_phone="12")
    with refused("INVALID_ARGUMENT", "TOO_LONG"):
        create(remark="长" * 5_001)
    with refused("INVALID_ARGUMENT", "UNKNOWN_PARTNER"):
        suite.user(partner=f"partners/{uuid4()}")


def test_a_partner_with_users_stays(suite, stub, create):
    made = create()
    suite.user(partner=made.name)
    with refused("FAILED_PRECONDITION", "PARTNER_HAS_USERS"):
        delete(suite, stub, made)


def test_whoever_manages_partners_does_so_for_the_whole_company(suite, stub):
    _, narrow = suite.somebody(grant("partner.create", "SELF"))
    with refused("PERMISSION_DENIED", "SCOPE_TOO_NARROW"):
        stub.CreatePartner(pb.CreatePartnerRequest(partner=partner_pb2.Partner(display_name="甲")), metadata=narrow)


def test_a_user_of_a_partner_is_marked_and_their_token_says_so(suite, create):
    partner = create()
    user = suite.user(roles=[suite.role(grant("user.read"))], partner=partner.name)
    assert (user.partner, user.kind) == (partner.name, user_pb2.USER_KIND_PARTNER)
    assert suite.events("UserChanged")[-1]["partner"] == partner.name
    token = suite.login(user.username).access_token
    assert jwt.decode(token, options={"verify_signature": False})["partner"] == partner.name
    metadata = (("authorization", f"Bearer {token}"),)
    assert suite.me(metadata).kind == user_pb2.USER_KIND_PARTNER
    with refused("PERMISSION_DENIED", "EMPLOYEES_ONLY"):
        suite.roles.ListRoles(role_service_pb2.ListRolesRequest(), metadata=metadata)


def test_who_changes_sides_signs_in_anew(suite, create):
    partner = create()
    user = suite.user()
    assert user.kind == user_pb2.USER_KIND_EMPLOYEE
    before = suite.sign_in(user.username)
    hired = suite.update(user_pb2.User(name=user.name, partner=partner.name), "partner")
    assert hired.kind == user_pb2.USER_KIND_PARTNER
    eventually(lambda: outcome(lambda: suite.me(before)) == "TOKEN_REVOKED")


def test_nobody_turns_a_partner_into_an_employee_with_more_than_they_hold(suite, create):
    partner = create()
    mighty = suite.role(grant("role.create"), grant("user.read"))
    user = suite.user(roles=[mighty], partner=partner.name)
    _, clerk = suite.somebody(grant("user.update"), grant("user.read"))
    with refused("PERMISSION_DENIED", "PRIVILEGE_ESCALATION"):
        suite.update(user_pb2.User(name=user.name), "partner", as_caller=clerk)
    assert suite.update(user_pb2.User(name=user.name), "partner").kind == user_pb2.USER_KIND_EMPLOYEE


def test_the_last_administrator_stays_an_employee(suite, create):
    with refused("FAILED_PRECONDITION", "LAST_ADMINISTRATOR"):
        suite.update(user_pb2.User(name=suite.admin_name, partner=create().name), "partner")
