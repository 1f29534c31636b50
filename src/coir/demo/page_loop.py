"""The page-after-page script that people copy from articles, written anew.

It is kept as it is in the wild, faults included: it is what coir is compared with, and
what coir's server must go on serving.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import httpx2

__all__ = ["page_loop"]

PAGE_SIZE = 100  # the usual value in copies of it; the server's own default is 20


def page_loop(
    base_url: str,
    dataset_id: int,
    token: Mapping[str, str] | None = None,
    *,
    seen: Callable[[int, int], None] = lambda _read, _total: None,
) -> list[int]:
    """Ask for page after page until one is empty; gives the ids as they came.

    ``seen`` is called after each page with the ids read so far and the server's total.
    """
    ids: list[int] = []
    with httpx2.Client(base_url=base_url, cookies=dict(token or {}), timeout=60) as http:
        page = 1
        while True:
            params = {"page": page, "limit": PAGE_SIZE}
            response = http.get(f"/api/dataset/{dataset_id}/data", params=params)
            response.raise_for_status()
            answer = response.json()
            if not answer["images"]:
                return ids
            ids.extend(image["id"] for image in answer["images"])
            seen(len(ids), answer["total"])
            page += 1
