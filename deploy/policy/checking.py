"""What is worth a second look in limits beyond their own file: categories, and what the catalogue grants."""

from collections.abc import Iterator
from dataclasses import replace

from services.intake.domain.catalogue import Catalogue
from services.sla.domain.category_limits import CategoryLimits
from services.sla.domain.policy import BELOW
from services.sla.domain.policy_file import PolicyFile, doubts
from shared.contracts.faults import Fault
from shared.contracts.vocabulary import Obligation


def policy_doubts(file: PolicyFile, catalogue: Catalogue, limits: CategoryLimits) -> Iterator[Fault]:
    yield from doubts(file)
    known = {path[:depth] for path in catalogue.paths for depth in range(1, len(path) + 1)}
    for number, row in enumerate(file.policy.exceptions):
        line = file.document.line_at(("exceptions", number, "category"))
        about = Fault("", "", "exceptions", row.name, line, file.name)
        if row.category and row.category not in known:
            zh, en = _nearest(row.category, catalogue)
            yield replace(about, zh=f"分类目录没有这一类；{zh}", en=f"the catalogue has no such category; {en}")
        own = limits.limit_of(row.category) if Obligation.HANDLE in row.obligation else None
        if own is not None and own.limit.usual < row.limit.usual:
            yield replace(
                about,
                zh=f"目录限时 {own.limit} 通常更严，此行很少起作用",
                en=f"the catalogue's {own.limit} is mostly stricter; this row rarely decides",
            )


def limits_doubts(limits: CategoryLimits, catalogue: Catalogue, file: str) -> Iterator[Fault]:
    """Entries no case can name."""
    for number, one in enumerate(limits.entries, start=2):
        if catalogue.codes.get(one.code) != (one.major, one.minor) and (one.major, one.minor) not in catalogue.paths:
            zh, en = _nearest((one.major, one.minor), catalogue)
            zh, en = f"分类目录没有这一类；{zh}", f"the catalogue has no such category; {en}"
            yield Fault(zh, en, "minor", f"{one.code} {one.name}", number, file)


def _nearest(category: tuple[str, ...], catalogue: Catalogue) -> tuple[str, str]:
    by_code = catalogue.codes.get(category[0]) if len(category) == 1 else None
    near = [BELOW.join(by_code)] if by_code else catalogue.nearest(category[-1])
    return f"相近的有：{'、'.join(near)}", f"the nearest are {', '.join(near)}"
