"""Imports that add or update."""

import grpc
from chassis.callers import Reach

from .conftest import ALL, CODES, HEADING, a_row, counts, reason_of


class TestUpdating:
    """The mode that adds or updates."""

    def test_given_cells_change_and_empty_ones_stay(self, client, stored, facts, audited):
        client.bring_in([HEADING, a_row(1), a_row(2)])
        job = client.update([HEADING, a_row(1, 行业="医疗", 邮箱="", 地址="人民路1号"), a_row(2), a_row(3)])
        assert counts(job) == (1, 1, 1, 0)
        first = stored()[0]
        assert (first.industry, first.emails, first.street, first.version) == (
            "医疗",
            ["info1@example.com"],
            "人民路1号",
            2,
        )
        changed = [entry for entry in audited() if entry.before and entry.action != "job.end"]
        assert [(entry.before, entry.after) for entry in changed] == [
            ({"industry": "制造业", "street": None}, {"industry": "医疗", "street": "人民路1号"})
        ]
        imported = [data["customers"] for kind, data in facts() if kind == "CustomersImported"][-1]
        assert sorted(one["version"] for one in imported) == [1, 2]

    def test_a_changed_name_is_found_by_search(self, client, stored):
        client.bring_in([HEADING, a_row(1)])
        client.update([HEADING, a_row(1, 客户名称="北京盛达公司")])
        [row] = stored()
        assert (row.display_name, row.name_key) == ("北京盛达公司", "北京盛达公司")
        assert "北京盛达公司" in row.search_text

    def test_contacts_are_changed_by_name_or_added(self, client, stored):
        client.bring_in([HEADING, a_row(1)])
        job = client.update([HEADING, a_row(1, 职务="总监"), a_row(1, 联系人="李雷", 联系电话="", 职务="")])
        assert counts(job) == (0, 2, 0, 0)
        contacts = {row.display_name: row for row in stored("contact")}
        assert (contacts["王芳"].job_title, contacts["王芳"].version) == ("总监", 2)
        assert (contacts["李雷"].is_primary, contacts["李雷"].phones) == (False, [])

    def test_rows_of_one_file_follow_each_other(self, client, stored, monkeypatch):
        rows = [HEADING, a_row(1, 行业="一"), a_row(1, 行业="二"), a_row(2), a_row(1, 行业="三"), a_row(1, 行业="三")]
        assert counts(client.update(rows)) == (2, 2, 1, 0)
        assert (stored()[0].industry, stored()[0].version) == ("三", 3)

    def test_customers_out_of_scope_are_not_touched(self, client_of, organisation, stored):
        client_of(organisation.zhao).bring_in([HEADING, a_row(1)])
        own = dict.fromkeys(ALL, Reach.SELF)
        job = client_of(organisation.li, own).update([HEADING, a_row(1, 行业="偷改"), a_row(2)])
        assert counts(job) == (1, 0, 0, 1)
        assert job.first_errors[0].reason == "DUPLICATE_CUSTOMER"
        assert stored()[0].industry == "制造业"

    def test_a_row_that_would_make_two_customers_the_same_is_refused(self, client):
        client.bring_in([HEADING, a_row(1), a_row(2)])
        job = client.update([HEADING, a_row(1, 客户名称="上海华诚科技2有限公司")])
        assert (counts(job), job.first_errors[0].reason) == ((0, 0, 0, 1), "DUPLICATE_CUSTOMER")

    def test_a_name_that_several_bear_is_ambiguous(self, client):
        same = {"客户名称": "北京盛达", "外部编号": ""}
        client.bring_in([HEADING, *[a_row(i, 统一社会信用代码=CODES[i], **same) for i in range(2)]])
        job = client.update(
            [HEADING, a_row(3, 行业="x", **same), a_row(4, 统一社会信用代码=CODES[1], 行业="y", **same)]
        )
        assert (counts(job), job.first_errors[0].reason) == ((0, 1, 0, 1), "AMBIGUOUS_MATCH")

    def test_another_owner_is_a_transfer(self, client, organisation, stored, facts):
        client.bring_in([["客户名称"], ["甲公司"]])
        job = client.update([["客户名称", "负责人"], ["甲公司", "zhao.lei"]])
        assert counts(job) == (0, 1, 0, 0)
        assert stored()[0].owner_id == organisation.zhao.id
        assert "CustomerTransferred" in [kind for kind, _ in facts()]
        assert [row.kind for row in stored("timeline_entry", "id")] == ["OWNER_CHANGED"]

    def test_a_check_of_updates_counts_and_changes_nothing(self, client, stored):
        client.bring_in([HEADING, a_row(1)])
        rows = [HEADING, a_row(1, 行业="医疗"), a_row(2), a_row(2)]
        check = client.update(rows, check_only=True)
        assert counts(check) == (1, 1, 1, 0)
        assert [(row.industry, row.version) for row in stored()] == [("制造业", 1)]

    def test_it_needs_the_permission_to_update(self, client_of, organisation):
        client = client_of(organisation.li, {"customer.import": Reach.ALL})
        assert reason_of(lambda: client.update([HEADING, a_row(1)])) == (
            grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED",
        )  # fmt: skip
