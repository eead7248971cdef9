"""Keys that two records of one customer are likely to share, so that not every pair must be compared."""

from collections.abc import Iterator

from customers.matching.profile import Profile

_SHORTEST_LATIN = 3


def keys(profile: Profile) -> Iterator[str]:
    """The keys of a customer. Records with none in common are never compared."""
    if profile.company:
        yield from _of_company(profile)
        if profile.host:
            yield f"w:{profile.host}"
        yield from (f"d:{domain}" for domain in profile.domains)
    else:
        if profile.identity:
            yield f"i:{profile.identity!r}"
        yield f"p:{profile.plain_name}"
    yield from (f"t:{phone}" for phone in profile.all_phones)
    yield from (f"m:{mail}" for mail in profile.all_emails)
    if len(profile.plain_address) >= 8:
        yield f"a:{profile.plain_address}"


def _of_company(profile: Profile) -> Iterator[str]:
    if profile.credit_code:
        yield f"c:{profile.credit_code}"
    parsed = profile.parsed
    # A part of a company meets other parts of the same name only; it is never its company's duplicate.
    whole = parsed.core + "".join(parsed.trade)
    yield f"n:{parsed.core}:{parsed.unit}"
    if len(whole) > _SHORTEST_LATIN:
        # A name with one slip keeps one of its halves.
        half = len(whole) // 2
        yield f"h:{whole[:half]}:{len(whole) // 2}:{parsed.unit}"
        yield f"e:{whole[half:]}:{parsed.unit}"
