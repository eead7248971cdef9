"""What fields may hold, whoever states them."""

import pytest
from chassis.errors import Invalid
from customers import rules


def test_credit_codes_are_verified_and_compacted() -> None:
    assert rules.credit_code(" 91110000600037341l ") == "91110000600037341L"
    assert rules.credit_code("  ") is None
    for wrong in ("91110000600037341X", "123", "9111000060003734"):
        with pytest.raises(Invalid) as caught:
            rules.credit_code(wrong)
        assert caught.value.reason == "INVALID_CREDIT_CODE"


def test_phones_are_normalised_and_kept_once() -> None:
    assert rules.phones(["138 0013 8000", "+86-138-0013-8000", "", "021-62881234"]) == [
        "+8613800138000",
        "+862162881234",
    ]


@pytest.mark.parametrize("written", ["华诚\n科技", "华诚 \r\n 科技", "华诚\t科技", "华诚\u2028\n科技", "\n华诚 科技\r"])
def test_a_name_has_one_line_and_a_remark_keeps_its_lines(written: str) -> None:
    stored, faults = rules.apply(rules.CUSTOMER_RULES, {"display_name": written, "remark": "一\r\n二\t三"})
    assert (stored, faults) == ({"display_name": "华诚 科技", "remark": "一\n二\t三"}, [])


def test_tags_are_sorted_and_kept_once() -> None:
    assert rules.tags(["重点", " 展会 ", "重点", ""]) == sorted(["展会", "重点"])


def test_every_field_at_fault_is_reported_at_once() -> None:
    values = {
        "display_name": "  ",
        "credit_code": "123",
        "phones": ["12"],
        "emails": ["nobody"],
        "level": "A+",
        "remark": "x" * 5001,
        "industry": "a\x00b",
        "tags": ["t" * 51],
        "address.country": "China",
    }
    stored, faults = rules.apply(rules.CUSTOMER_RULES, values)
    assert stored == {}
    assert {(fault.field, fault.reason) for fault in faults} == {
        ("display_name", "REQUIRED"),
        ("credit_code", "INVALID_CREDIT_CODE"),
        ("phones", "INVALID_PHONE"),
        ("emails", "INVALID_EMAIL"),
        ("level", "INVALID_LEVEL"),
        ("remark", "TOO_LONG"),
        ("industry", "INVALID_TEXT"),
        ("tags", "TOO_LONG"),
        ("address.country", "INVALID_COUNTRY"),
    }
    with pytest.raises(Invalid) as caught:
        rules.refuse(faults)
    assert len(caught.value.violations) == 9


def test_an_address_without_a_country_is_in_china() -> None:
    assert rules.with_country({"city": "上海"})["country"] == "CN"
    assert rules.with_country({"city": "Osaka", "country": "JP"})["country"] == "JP"
    assert rules.with_country({"city": None}).get("country") is None


def test_a_person_bears_no_credit_code() -> None:
    assert rules.contradictions({"kind": "PERSON", "credit_code": "91110000600037341L"})
    assert not rules.contradictions({"kind": "COMPANY", "credit_code": "91110000600037341L"})
