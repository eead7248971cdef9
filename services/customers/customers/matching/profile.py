"""What is known of a customer when it is compared with others."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self
from urllib.parse import urlsplit

from customers.matching.company import CompanyName, parse_company
from customers.matching.text import bare, simplified, words

PUBLIC_MAIL = frozenset(words("mail_domains.txt"))
"""Mail domains that anybody gets an address in: they tell nothing of a company."""

_COMPANY_KIND = "COMPANY"


@dataclass(frozen=True)
class Profile:
    """A customer, as far as it takes part in the comparison."""

    name: str
    company: bool = True
    credit_code: str | None = None
    identity: str | bytes | None = None
    """A person's number in some register, or what stands for it."""
    phones: Sequence[str] = ()
    emails: Sequence[str] = ()
    website: str | None = None
    address: str = ""
    contact_phones: Sequence[str] = ()
    contact_emails: Sequence[str] = ()

    @classmethod
    def of(cls, row: Any, *, contact_phones: Sequence[str] = (), contact_emails: Sequence[str] = ()) -> Self:
        """The same from a customer, entity or row."""
        return cls(
            name=row.display_name,
            company=row.kind == _COMPANY_KIND,
            credit_code=row.credit_code,
            identity=row.identity_number_index,
            phones=row.phones or (),
            emails=row.emails or (),
            website=row.website,
            address="".join(filter(None, (row.province, row.city, row.district, row.street))),
            contact_phones=contact_phones,
            contact_emails=contact_emails,
        )

    @cached_property
    def parsed(self) -> CompanyName:
        """The name, taken apart."""
        return parse_company(self.name)

    @cached_property
    def plain_name(self) -> str:
        """The name in one form, words sorted where they are Latin."""
        return " ".join(sorted(re.findall(r"\w+", simplified(self.name))))

    @cached_property
    def all_phones(self) -> frozenset[str]:
        """The phone numbers of the customer and of its contacts."""
        return frozenset([*self.phones, *self.contact_phones])

    @cached_property
    def all_emails(self) -> frozenset[str]:
        """The same for e-mail addresses."""
        return frozenset(map(str.casefold, [*self.emails, *self.contact_emails]))

    @cached_property
    def domains(self) -> frozenset[str]:
        """The mail domains that are its own."""
        return frozenset({mail.rpartition("@")[2] for mail in self.all_emails} - PUBLIC_MAIL)

    @cached_property
    def host(self) -> str:
        """The host of its web site, without `www.`."""
        return (urlsplit(self.website).hostname or "").removeprefix("www.") if self.website else ""

    @cached_property
    def plain_address(self) -> str:
        """The address without spaces and punctuation."""
        return bare(simplified(self.address))
