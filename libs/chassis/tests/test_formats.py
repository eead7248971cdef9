"""However a phone number or address is typed, it is kept in one way; what cannot be one is refused."""

import phonenumbers
import pytest
from chassis import formats
from chassis.errors import Invalid
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("13800138000", "+8613800138000"),
        ("+86 138-0013-8000", "+8613800138000"),
        ("1380013-8000", "+8613800138000"),
        ("0086 13800138000", "+8613800138000"),
        ("8613800138000", "+8613800138000"),
        ("１３８００１３８０００", "+8613800138000"),
        ("　138 0013 8000 ", "+8613800138000"),
        ("021 6888-0000", "+862168880000"),
        ("（０２１）６８８８００００", "+862168880000"),
        ("(010)12345678", "+861012345678"),
        ("+86-10-12345678", "+861012345678"),
        ("0755—12345678", "+8675512345678"),
        ("400-820-8820", "+864008208820"),
        ("800 820 8820", "+868008208820"),
        ("021-68880000-801", "+862168880000;ext=801"),
        ("021-68880000转801", "+862168880000;ext=801"),
        ("021-68880000 转：801", "+862168880000;ext=801"),
        ("021-68880000 分机 801", "+862168880000;ext=801"),
        ("021-68880000 ext. 801", "+862168880000;ext=801"),
        ("+862168880000;ext=801", "+862168880000;ext=801"),
        ("+1 650-253-0000", "+16502530000"),
        ("+852 2123 4567", "+85221234567"),
        ("+44 20 7946 0958", "+442079460958"),
    ],
)
def test_phone_numbers_are_kept_in_e164(typed, kept):
    assert formats.phone(typed) == kept
    assert formats.phone(kept) == kept


@pytest.mark.parametrize(
    "typed",
    ["", "0", "abc", "12345", "68880000", "1380013800", "138001380001", "23800138000", "10000000000", "+", "+86",
     "++8613800138000", "13800138000/13900139000", "1-800-FLOWERS", "+999 123456789", "9" * 100,
     "138\x0000138000", "95588"],
)  # fmt: skip
def test_what_is_no_phone_number_is_refused(typed):
    with pytest.raises(Invalid) as caught:
        formats.phone(typed, field="phones[0]")
    assert caught.value.reason == "INVALID_PHONE"
    assert caught.value.violations[0].field == "phones[0]"


def test_without_a_country_code_the_region_counts():
    assert formats.phone("(650) 253-0000", region="US") == "+16502530000"
    with pytest.raises(Invalid):
        formats.phone("13800138000", region="US")


chinese_numbers = st.one_of(
    st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True),
    st.from_regex(r"0(10|2[0-9]|[3-9][0-9]{2})[1-9][0-9]{6,7}", fullmatch=True),
    st.from_regex(r"(\+86|0086|86)?0?[0-9]{9,12}", fullmatch=True),
)


@settings(max_examples=400, deadline=None)
@given(number=chinese_numbers)
def test_the_fast_path_agrees_with_the_library(number):
    fast = formats._chinese(number)
    slow = formats._any(number, "CN")
    assert fast is None or fast == slow
    try:
        parsed = phonenumbers.parse(number, "CN")
    except phonenumbers.NumberParseException:
        parsed = None
    valid = parsed is not None and phonenumbers.is_valid_number(parsed)
    assert slow == (phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) if valid else None)
    common = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
    if valid and len(number) == 11 and number[0] == "1":
        assert (fast is not None) == (phonenumbers.number_type(parsed) == common[0])


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("li.lei@Example.COM", "li.lei@example.com"),
        (" Li.Lei@example.com ", "Li.Lei@example.com"),
        ("ｌｉ＠ｅｘａｍｐｌｅ．ｃｏｍ", "li@example.com"),
        ("a+b_c-d@mail.example.co.uk", "a+b_c-d@mail.example.co.uk"),
        ("li@例子.公司", "li@例子.公司"),
        ("li@xn--fsqu00a.xn--55qx5d", "li@xn--fsqu00a.xn--55qx5d"),
        ("1@163.com", "1@163.com"),
    ],
)
def test_email_addresses_are_kept_with_a_lower_case_domain(typed, kept):
    assert formats.email(typed) == kept


@pytest.mark.parametrize(
    "typed",
    ["", "@", "li", "li@", "@example.com", "li@example", "li lei@example.com", "li@exa mple.com", "li..lei@example.com",
     ".li@example.com", "li.@example.com", "li@-example.com", "li@example-.com", "li@example..com", "li@a@example.com",
     "li@example.com, han@example.com", "李@example.com", "li@1.2.3.4", "a" * 65 + "@example.com",
     "li@" + "a" * 64 + ".com", "li@" + "a." * 130 + "com", "li\n@example.com"],
)  # fmt: skip
def test_what_is_no_email_address_is_refused(typed):
    with pytest.raises(Invalid) as caught:
        formats.email(typed)
    assert caught.value.reason == "INVALID_EMAIL"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("www.Example.com", "https://www.example.com"),
        (" HTTP://Example.com/Path?q=1#X ", "http://example.com/Path?q=1#X"),
        ("https://example.com:8443/", "https://example.com:8443/"),
        ("http://10.0.0.1/a", "http://10.0.0.1/a"),
        ("例子.公司/中文", "https://例子.公司/中文"),
    ],
)
def test_web_addresses_are_kept_with_a_scheme(typed, kept):
    assert formats.url(typed) == kept


@pytest.mark.parametrize(
    "typed",
    ["", "javascript:alert(1)", "ftp://example.com", "javascript://example.com/%0aalert(1)", "https://", "example",
     "http://a b.com", "https://user:password@example.com", "https://user@example.com", "https://example.com:99999", "https://exa<mple.com",
     "https://example.com/" + "a" * 2100, "https://[::1", "https://example.com/\n", "http://300.1.1.1"],
)  # fmt: skip
def test_what_is_no_web_address_is_refused(typed):
    with pytest.raises(Invalid) as caught:
        formats.url(typed + "x" if typed.endswith("\n") else typed)
    assert caught.value.reason == "INVALID_URL"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("上海华诚科技有限公司", " 上海华诚科技有限公司 "),
        ("华诚（集团）有限公司", "华诚(集团)有限公司"),
        ("Acme, Inc.", "ACME INC"),
        ("ＡＢＣ科技", "abc科技"),
    ],
)
def test_spellings_of_one_name_share_a_key(one: str, other: str) -> None:
    assert formats.name_key(one) == formats.name_key(other)


def test_a_name_without_letters_keeps_its_signs_as_key() -> None:
    assert formats.name_key(" *** ") == "***"
    assert formats.name_key("华诚") != formats.name_key("华成")


@pytest.mark.parametrize(
    ("name", "core"),
    [
        ("华诚科技（上海）有限公司", "华诚科技"),
        ("华诚科技 股份有限公司", "华诚科技"),
        ("华诚科技有限责任公司", "华诚科技"),
        ("华诚科技集团股份有限公司", "华诚科技"),
        ("华诚科技（集团）总公司", "华诚科技"),
        ("上海华诚科技有限公司", "上海华诚科技"),
        ("ＡＣＭＥ Trading Co., Ltd.", "acmetrading"),
        ("Acme Cooling Inc", "acmecooling"),
        ("有限公司", "有限公司"),
        ("***", "***"),
    ],
)
def test_a_company_is_known_by_the_core_of_its_name(name: str, core: str) -> None:
    assert formats.company_key(name) == core


FORMS = st.sampled_from(
    ["有限公司", "有限责任公司", "股份有限公司", "集团有限公司", "集团", "（中国）有限公司", "(集团)"]
)


@given(st.text("华诚远景科技能源abc1", min_size=1, max_size=20), FORMS, FORMS)
def test_the_legal_form_never_tells_companies_apart(core: str, one: str, other: str) -> None:
    assert formats.company_key(core + one) == formats.company_key(f" {core} {other}")
    assert formats.company_key(core + one + other) == formats.company_key(core)
