"""Which images and annotations of a mirror are wanted. Pure: rows in, yes or no out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from coir.errors import InvalidRequest
from coir.mirror.instant import ImageRow
from coir.mirror.record import CategoryRecord
from coir.scan.filter import NUMBERS, TESTS, Filter, category_id

__all__ = ["Selection"]

Check = Callable[[ImageRow], bool]


@dataclass(frozen=True, slots=True)
class Selection:
    """What is wanted of a mirror.

    ``categories`` are those whose annotations are wanted; ``with_empty_images`` says whether
    images without a wanted annotation are.
    """

    categories: frozenset[int]
    with_empty_images: bool
    checks: Sequence[Check] = field(default=(), repr=False)

    @classmethod
    def of(
        cls,
        where: Filter,
        known: Sequence[CategoryRecord],
        directory: str,
        *,
        with_empty_images: bool | None = None,
    ) -> Selection:
        """Give the selection that a filter stands for.

        Args:
            where: which images. Its categories are also those of the annotations.
            known: the categories of the mirror.
            directory: the dataset's own, as the server names it.
            with_empty_images: None for only where images without annotations are asked for.

        Raises:
            InvalidRequest: there is no such category, or the mirror does not know a field.

        """
        if where.categories:
            chosen: Iterable[int] = (category_id(one, known) for one in where.categories)
        else:
            chosen = (one.id for one in known)
        empty = where.annotated is False if with_empty_images is None else with_empty_images
        return cls(frozenset(chosen), empty, list(_checks(where, directory)))

    def image(self, row: ImageRow) -> bool:
        """Whether an image is wanted, by what its row tells."""
        return all(check(row) for check in self.checks)


def _checks(where: Filter, directory: str) -> Iterable[Check]:
    if where.annotated is not None:
        yield lambda row: bool(row.annotated) is where.annotated
    if where.after_id:
        yield lambda row: row.id > where.after_id
    folder = (where.folder or "").strip("/")
    if folder:
        below = f"{directory.rstrip('/')}/{folder}/"
        yield lambda row: (row.path or "").startswith(below)
    for condition, value in where.spelled_out():
        yield _check(condition, value)


def _check(condition: str, value: str | int) -> Check:
    name, _, operator = condition.partition("__")
    if name not in ImageRow._fields:
        raise InvalidRequest(
            f"A mirror does not know '{name}' of its images.", hint="Leave that condition out."
        )
    test = TESTS[operator]
    wanted = int(value) if name in NUMBERS else str(value)

    def check(row: ImageRow) -> bool:
        have = getattr(row, name)
        return operator == "ne" if have is None else bool(test(have, wanted))

    return check
