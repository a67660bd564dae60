"""The State Council's days as the installed chinesecalendar has them, as a CSV to import."""

import csv
import io
from collections.abc import Collection
from importlib.metadata import version

from chinese_calendar import Holiday
from chinese_calendar.constants import holidays, workdays

_USUALLY = {
    "清明": "清明节",
    "端午": "端午节",
    "中秋": "中秋节",
    "中国人民抗日战争暨世界反法西斯战争胜利70周年纪念日": "抗战胜利70周年",
}
_NAMES: dict[str, str] = {one.value: _USUALLY.get(one.chinese, one.chinese) for one in Holiday}

FILE = f"chinesecalendar-{version('chinesecalendar')}.csv"
YEARS: frozenset[int] = frozenset(day.year for day in holidays)


def as_csv(years: Collection[int]) -> str:
    """`date,kind,name` of these years, which are some of `YEARS`."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("date", "kind", "name"))
    days = sorted(
        (day, kind, name) for kind, named in (("off", holidays), ("work", workdays)) for day, name in named.items()
    )
    rows.writerows((day.isoformat(), kind, _NAMES[name]) for day, kind, name in days if day.year in years)
    return text.getvalue()
