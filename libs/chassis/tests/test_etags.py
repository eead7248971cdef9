"""An etag stands for one version of a record."""

import pytest
from chassis.errors import Stale
from chassis.etags import check_etag, etag


def test_the_present_etag_and_none_are_accepted():
    check_etag(etag(3), 3)
    check_etag("", 3)


@pytest.mark.parametrize("given", [etag(2), etag(4), "garbage"])
def test_any_other_etag_is_stale(given):
    with pytest.raises(Stale) as caught:
        check_etag(given, 3)
    assert caught.value.reason == "STALE_ETAG"
