"""What many new customers and contacts are found by, made at once. Agrees with `searched_text` and
`searched_contact` of the model."""

from collections.abc import Sequence

from chassis.bulk_search import Searchable, searchable

from customers.model import without_legal_form

Named = tuple[str, Sequence[str], Sequence[str]]
"""A name, phone numbers and e-mail addresses."""


def searchable_customers(customers: Sequence[Named]) -> list[Searchable]:
    """What each customer is found by."""
    names = [name for name, _, _ in customers]
    private = [[*phones, *emails] for _, phones, emails in customers]
    return searchable(names, [without_legal_form(name) for name in names], private)


def searchable_contacts(contacts: Sequence[Named]) -> list[Searchable]:
    """What each contact is found by."""
    names = [name for name, _, _ in contacts]
    return searchable(names, names, [emails for _, _, emails in contacts], [phones for _, phones, _ in contacts])
