"""What requests cost, learned from the server's own answers."""

from __future__ import annotations

import pytest

from coir.scan.details import last_page, list_pages
from coir.scan.prices import ListPrices, Prices

TOTAL = 200_000


def learned(page: float, row: float, single: float) -> ListPrices:
    """What a server teaches in a few answers."""
    prices = ListPrices()
    for _ in range(30):
        prices.read(1, page)
        prices.read(20_000, page + 20_000 * row)
        prices.asked(single)
    return prices


def test_the_list_of_all_or_each_by_itself_as_the_server_answers() -> None:
    """A server that is quick with the one and slow with the other is asked for the cheaper."""
    quick_list, quick_single = learned(1e-3, 1e-6, 0.2), learned(0.5, 100e-6, 1e-3)
    assert list_pages(TOTAL, 100, quick_list)
    assert not list_pages(TOTAL, 1, quick_list)
    assert not list_pages(TOTAL, 10_000, quick_single)
    assert last_page(TOTAL, 100, quick_list)
    assert not last_page(TOTAL, 100, quick_single)


def test_what_was_not_asked_for_yet() -> None:
    """Until an image was asked for alone it is taken to cost what a page of one row does."""
    prices = ListPrices()
    before = prices.asking(TOTAL, 1)
    prices.read(1, 0.7)
    assert prices.asking(TOTAL, 2) == 1.4 != before
    prices.asked(0.1)
    assert prices.asking(TOTAL, 2) == 0.2


@pytest.mark.parametrize("rows", [2, 99])
def test_few_rows_tell_nothing(rows: int) -> None:
    """Of a page with few rows the request is the larger part."""
    prices = ListPrices()
    prices.read(1, 0.1)
    prices.read(rows, 5.0)
    assert prices == ListPrices(page=0.1)


def test_each_has_its_own() -> None:
    """What one server has taught is not believed of another."""
    one, other = Prices(), Prices()
    one.lists.asked(3.0)
    assert other.lists == ListPrices()
