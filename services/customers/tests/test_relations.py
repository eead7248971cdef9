"""How customers stand to one another."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date

import pytest
from chassis.callers import Reach
from chassis.errors import Conflict, Denied, Duplicate, Invalid, NotFound, Stale
from chassis.names import new_id
from chassis.testing import eventually
from chassis.testing.databases import waits
from customers.relations import queries
from customers.relations.queries import get_relation, list_relations, relation_graph
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.create_relation import create_relation
from customers.usecases.delete_customer import delete_customer
from customers.usecases.delete_relation import delete_relation
from customers.usecases.merge_customers import MergeDraft, merge_customers
from customers.usecases.undo_merge import undo_merge
from customers.usecases.update_relation import update_relation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture
def make(database, organisation):
    """Makes a customer of somebody, Li if not said."""

    def create(name, person=None):
        with database.write((person or organisation.li).caller()) as session:
            return create_customer(session, CustomerDraft({"display_name": f"{name}有限公司"}, {})).id

    return create


@pytest.fixture
def relate(database, organisation):
    def create(one, other, kind="SUBSIDIARY", caller=None, **values):
        with database.write(caller or organisation.boss.caller()) as session:
            return create_relation(session, one, other, {"kind": kind} | values)

    return create


@pytest.fixture
def graph_of(database, organisation):
    def read(customer_id, caller=None, *, depth=5, kinds=(), on_date=None):
        with database.read(caller or organisation.boss.caller()) as session:
            return relation_graph(session, customer_id, depth=depth, kinds=kinds, on_date=on_date)

    return read


def depths(graph):
    return {row.id: depth for row, depth in graph.nodes}


def refused(error, call):
    with pytest.raises(error) as caught:
        call()
    return caught.value.reason


def test_a_relation_is_entered_changed_and_deleted(database, organisation, make, relate, audited):
    parent, child = make("集团"), make("子公司")
    made = relate(child, parent, valid_from="2024-01-01", remark="控股")
    with database.write(organisation.li.caller()) as session:
        changed = update_relation(session, made.id, {"valid_until": "2026-12-31", "remark": ""}, etag="v1")
        assert (changed.valid_until, changed.remark, changed.version) == (date(2026, 12, 31), None, 2)
        assert update_relation(session, made.id, {"valid_until": "2026-12-31"}).version == 2
    with pytest.raises(Stale), database.write(organisation.li.caller()) as session:
        delete_relation(session, made.id, etag="v1")
    with database.read(organisation.li.caller()) as session:
        for customer in (parent, child):
            page = list_relations(session, customer, ["SUBSIDIARY"], page_size=1, page_token="")
            assert [row.id for row in page.rows] == [made.id]
        assert list(list_relations(session, child, ["BRANCH"], page_size=1, page_token="").rows) == []
    with database.write(organisation.li.caller()) as session:
        delete_relation(session, made.id)
    with database.read(organisation.li.caller()) as session:
        assert refused(NotFound, lambda: get_relation(session, made.id)) == "RELATION_NOT_FOUND"
    actions = [entry.action for entry in audited() if entry.resource == made.name]
    assert actions == [f"customer_relation.{verb}" for verb in ("create", "update", "delete")]


def test_what_cannot_be_is_refused(make, relate):
    one, other = make("甲"), make("乙")
    relate(one, other, "PARTNER")
    assert refused(Duplicate, lambda: relate(one, other, "PARTNER")) == "DUPLICATE_RELATION"
    assert refused(Duplicate, lambda: relate(other, one, "PARTNER")) == "DUPLICATE_RELATION"
    assert relate(other, one, "SUPPLIER").kind == "SUPPLIER"
    assert relate(one, other, "SUPPLIER").kind == "SUPPLIER"  # each may supply the other
    assert refused(Invalid, lambda: relate(one, one, "PARTNER")) == "RELATED_TO_ITSELF"
    assert refused(Invalid, lambda: relate(one, other, "FRIEND")) == "INVALID_RELATION_KIND"
    backwards = {"valid_from": "2026-02-01", "valid_until": "2026-01-31"}
    assert refused(Invalid, lambda: relate(one, other, "BRANCH", **backwards)) == "INVALID_PERIOD"
    assert refused(Invalid, lambda: relate(one, other, "BRANCH", valid_from="gestern")) == "INVALID_DATE"


def test_nobody_is_above_themselves_on_any_day(database, organisation, make, relate):
    top, middle, low = make("上"), make("中"), make("下")
    relate(middle, top, "SUBSIDIARY")
    last = relate(low, middle, "BRANCH", valid_until="2025-12-31")
    assert refused(Conflict, lambda: relate(top, low, "GROUP")) == "RELATION_CYCLE"
    assert refused(Conflict, lambda: relate(top, low, "GROUP", valid_from="2025-12-31")) == "RELATION_CYCLE"
    relate(top, low, "GROUP", valid_from="2026-01-01")
    relate(top, low, "SUPPLIER")
    with pytest.raises(Conflict) as caught, database.write(organisation.boss.caller()) as session:
        update_relation(session, last.id, {"valid_until": "2026-06-30"})
    assert caught.value.reason == "RELATION_CYCLE"


def test_a_graph_ends_at_a_circle_and_at_the_depth_asked_for(make, relate, graph_of):
    ring = [make(f"环{number}") for number in range(8)]
    for one, other in zip(ring, [*ring[1:], ring[0]], strict=True):
        relate(one, other, "SUPPLIER")
    graph = graph_of(ring[0])
    assert depths(graph) == dict(zip(ring, [0, 1, 2, 3, 4, 3, 2, 1], strict=True))
    assert len(graph.edges) == 8
    assert depths(graph_of(ring[0], depth=1)) == {ring[0]: 0, ring[1]: 1, ring[7]: 1}
    assert depths(graph_of(ring[0], depth=0)) == {ring[0]: 0, ring[1]: 1, ring[7]: 1, ring[2]: 2, ring[6]: 2}
    assert refused(Invalid, lambda: graph_of(ring[0], depth=6)) == "OUT_OF_RANGE"
    assert refused(Invalid, lambda: graph_of(ring[0], kinds=["FRIEND"])) == "INVALID_RELATION_KIND"


def test_a_graph_holds_what_holds_on_a_day_and_the_kinds_asked_for(make, relate, graph_of):
    one, past, partner = make("今"), make("昔"), make("友")
    relate(one, past, valid_until="2025-12-31")
    relate(one, partner, "PARTNER")
    assert set(depths(graph_of(one))) == {one, partner}
    assert set(depths(graph_of(one, on_date=date(2025, 12, 31)))) == {one, past, partner}
    assert set(depths(graph_of(one, kinds=["SUBSIDIARY"], on_date=date(2025, 12, 31)))) == {one, past}


def test_what_one_may_not_see_is_left_out_and_counted(database, organisation, make, relate, graph_of):
    mine, hidden, behind = make("我"), make("他", organisation.zhao), make("后")
    made = relate(mine, hidden, "PARTNER")
    relate(hidden, behind, "PARTNER")
    near = organisation.li.caller(reach=Reach.SELF)
    graph = graph_of(mine, near)
    assert (set(depths(graph)), graph.edges, graph.hidden) == ({mine}, [], 1)
    with database.read(near) as session:
        assert list(list_relations(session, mine, [], page_size=0, page_token="").rows) == []
        for key in (made.id, new_id()):
            assert refused(NotFound, lambda key=key: get_relation(session, key)) == "RELATION_NOT_FOUND"
        assert refused(NotFound, lambda: relation_graph(session, hidden, depth=1, kinds=[], on_date=None))
    for other in (hidden, new_id()):
        assert refused(NotFound, lambda other=other: relate(mine, other, caller=near)) == "CUSTOMER_NOT_FOUND"
    with pytest.raises(NotFound), database.write(near) as session:
        delete_relation(session, made.id)


def test_of_two_who_delete_a_relation_at_once_the_second_is_told_that_it_is_gone(database, organisation, make, relate):
    made = relate(make("子公司"), make("集团"))

    def delete():
        with database.write(organisation.boss.caller()) as session:
            delete_relation(session, made.id)

    with ThreadPoolExecutor(1) as pool:
        with database.write(organisation.boss.caller()) as session:
            delete_relation(session, made.id)
            second = pool.submit(delete)
            eventually(lambda: waits(session))
        assert refused(NotFound, second.result) == "RELATION_NOT_FOUND"


def test_who_reads_a_customer_and_may_not_change_it_relates_it_to_nothing(database, organisation, make, relate):
    one, other = make("甲"), make("乙")
    made = relate(one, other, "PARTNER")
    reader = organisation.wang.caller("customer.read")
    writer = organisation.wang.caller("customer.update", reach=Reach.SELF)
    reader = replace(reader, grants={**reader.grants, **writer.grants})
    assert refused(Denied, lambda: relate(one, other, "BRANCH", reader)) == "NOT_YOURS"
    with pytest.raises(Denied), database.write(reader) as session:
        delete_relation(session, made.id)


def test_a_graph_is_cut_where_it_grows_too_large(make, relate, graph_of, monkeypatch):
    hub = make("轴")
    for number in range(4):
        relate(hub, make(f"辐{number}"), "PARTNER")
    monkeypatch.setattr(queries, "MOST_NODES", 3)
    graph = graph_of(hub)
    assert (len(graph.nodes), len(graph.edges), graph.truncated, graph.hidden) == (3, 2, True, 0)


def test_relations_end_with_their_customer(database, organisation, make, relate, graph_of):
    one, other = make("甲"), make("乙")
    relate(one, other, "PARTNER")
    with database.write(organisation.li.caller()) as session:
        delete_customer(session, other)
    assert set(depths(graph_of(one))) == {one}


def test_relations_move_with_a_merge_and_come_back(database, organisation, make, relate, graph_of):
    stays, goes, supplier, above = make("留"), make("去"), make("供"), make("上")
    relate(supplier, goes, "SUPPLIER")
    relate(supplier, stays, "SUPPLIER")
    relate(stays, goes, "PARTNER")
    relate(above, stays, "BRANCH")
    relate(goes, above, "BRANCH")
    relate(goes, above, "SUPPLIER")
    before = {(edge.from_id, edge.to_id, edge.kind) for edge in graph_of(stays).edges}
    with database.write(organisation.boss.caller()) as session:
        merged = merge_customers(session, MergeDraft(stays, [goes]))
    after = {(edge.from_id, edge.to_id, edge.kind) for edge in graph_of(stays).edges}
    assert after == {(supplier, stays, "SUPPLIER"), (above, stays, "BRANCH"), (stays, above, "SUPPLIER")}
    assert merged.merge.counts["moved_relations"] == 1
    with database.write(organisation.boss.caller()) as session:
        undo_merge(session, merged.merge.id)
    assert {(edge.from_id, edge.to_id, edge.kind) for edge in graph_of(stays).edges} == before


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_no_order_of_entries_puts_anybody_above_themselves(make, relate, graph_of, wanted):
    firms = [make(f"{new_id()}") for _ in range(6)]
    above: dict[int, set[int]] = {number: set() for number in range(6)}
    for low, high in wanted:
        cyclic = low == high or low in reached(above, high)
        if cyclic or high in above[low]:
            with pytest.raises((Conflict, Invalid)):
                relate(firms[low], firms[high])
        else:
            relate(firms[low], firms[high])
            above[low].add(high)
    for number, firm in enumerate(firms):
        assert {firms[high] for high in reached(above, number)} <= set(depths(graph_of(firm)))


def reached(above, start):
    found, waiting = set(), [start]
    while waiting:
        for high in above[waiting.pop()] - found:
            found.add(high)
            waiting.append(high)
    return found
