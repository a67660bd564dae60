"""A comparison as tables on the screen, one policy beside another."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Column, Table

MOST_UNITS = 5
"""The best and the worst units that are shown; `--json` has all."""

OBLIGATIONS = {
    "all": "全部 all",
    "accept": "受理 accept",
    "dispatch": "派单 dispatch",
    "sign_in": "签收 sign in",
    "rule_on_refusal": "退单审核 refusal",
    "designate": "会商指定 designate",
    "first_contact": "首次联系 contact",
    "handle": "办结 handle",
    "check": "核查 check",
    "rate": "评价 rate",
}


def show(found: dict[str, Any], console: Console) -> None:
    """Everything that an operator compares policies by."""
    policies = found["policies"]
    console.print(
        f"{found['cases_per_day']:g} cases a day 件/日 × {found['days']} days 天 × {found['runs']} run(s)，"
        f"seed {found['seed']}，{found['order']}",
        highlight=False,
    )
    console.print(_figures(found))
    console.print(_on_time(found))
    for policy in policies:
        console.print(_units(policy, found["target"]))
    console.print(_assumed(found["assumptions"]), highlight=False)


def _assumed(assumptions: dict[str, Any]) -> str:
    """What was put in, not found."""
    days = "，".join(
        f"{urgency} {one['measured']}" if "measured" in one else f"{urgency} {one['days']:.3g}"
        for urgency, one in assumptions["elapsed_days"].items()
    )
    efforts = "，".join(f"{name} {value:g}" for name, value in assumptions["effort_minutes"].items())
    often = "，".join(
        f"{name} {value:.3g}" for name, value in assumptions["behaviour"].items() if isinstance(value, float)
    )
    return (
        "假设 assumed (--staff)\n"
        f"  人力分钟 minutes of work: {efforts}\n"
        f"  其余天数 days beside work (median): {days}\n"
        f"  比例 how often: {often}"
    )


def _beside(title: str, found: dict[str, Any]) -> Table:
    table = Table(title, title_justify="left")
    for place, policy in enumerate(found["policies"]):
        letter = chr(ord("A") + place)
        table.add_column(f"{letter} {policy['name']}\n{policy['version']}", justify="right", overflow="fold")
    for place in range(1, len(found["policies"])):
        table.add_column(f"{chr(ord('A') + place)} − A\n±95%", justify="right", no_wrap=True)
    return table


def _figures(found: dict[str, Any]) -> Table:
    table = _beside("指标 figure", found)
    policies = found["policies"]
    for title, value in _plain_figures():
        table.add_row(title, *(value(policy) for policy in policies), *("" for _ in policies[1:]))
    for name, title in (
        ("yellow", "黄灯/日 yellows a day"),
        ("red", "红灯/日 reds a day"),
        ("rung", "督办/日 rungs a day"),
    ):
        row = [f"{policy['steps_a_day'][name]:,.1f}" for policy in policies]
        table.add_row(title, *row, *_differences(found, f"{name}s_a_day", 1, 1))
    return table


def _plain_figures() -> Iterator[tuple[str, Any]]:
    yield "诉求 cases", lambda one: f"{one['cases']:,}"
    yield "已结 closed", lambda one: f"{one['ended'].get('closed', 0):,}"
    yield "期末未结 open at the end", lambda one: f"{sum(one['open'].values()):,}"
    yield "返工、重办 reworks", lambda one: f"{one['reworks']:,}"
    yield "办结用时 days to handle, p50", lambda one: _number(one["days_to_handle"]["median"])
    yield "办结用时 days to handle, p90", lambda one: _number(one["days_to_handle"]["p90"])
    for post, title in (
        ("duty", "每值班 per duty desk"),
        ("leader", "每负责人 per leader"),
        ("district_leader", "区领导 district leader"),
    ):
        yield f"通知/日 notices a day, {title}", lambda one, post=post: _told(one["notices_a_day"][post])


def _told(notices: dict[str, Any] | None) -> str:
    return "—" if notices is None else f"{notices['mean']:,.1f} (≤ {notices['most']:,.1f})"


def _on_time(found: dict[str, Any]) -> Table:
    table = _beside("按期率 on time", found)
    for name, title in OBLIGATIONS.items():
        shares = [policy["on_time"].get(name, {}).get("share") for policy in found["policies"]]
        if any(share is not None for share in shares):
            table.add_row(title, *map(_percent, shares), *_differences(found, f"on_time.{name}", 100, 2))
    return table


def _differences(found: dict[str, Any], name: str, times: int, digits: int) -> Iterator[str]:
    for one in found["differences"]:
        figure = one["figures"].get(name)
        if figure is None:
            yield "—"
            continue
        sure = "" if figure["plus_minus"] is None else f" ± {times * figure['plus_minus']:.{digits}f}"
        yield f"{times * figure['difference']:+.{digits}f}{sure}"


def _units(policy: dict[str, Any], target: float) -> Table:
    """The units with the most overdue, and those with the fewest."""
    table = Table(
        Column("单位 unit", overflow="fold"),
        "超期\noverdue",
        "按期率\non time",
        "办结按期\nhandle",
        "待办\nwaiting",
        "在岗\nstaff",
        "忙碌\nbusy",
        f"需要人数\nneeded for {target:.0%}",
        title=f"{policy['name']} {policy['version']}",
        title_justify="left",
    )
    for column in table.columns[1:]:
        column.justify = "right"
    units = sorted(policy["units"], key=lambda one: (-one["on_time"]["all"]["late"], one["unit"]))
    shown = units if len(units) <= 2 * MOST_UNITS else [*units[:MOST_UNITS], None, *units[-MOST_UNITS:]]
    for unit in shown:
        if unit is None:
            table.add_row(f"… {len(units) - 2 * MOST_UNITS} more, --json")
            continue
        table.add_row(
            unit["name"],
            f"{unit['on_time']['all']['late']:,}",
            _percent(unit["on_time"]["all"]["share"]),
            _percent(unit["on_time"]["handle"]["share"]),
            f"{unit['waiting_at_the_end']:,.0f}",
            f"{unit['staff']['day']}+{unit['staff']['night']}",
            _percent(unit["utilisation"]),
            _needed(unit["staffing"]),
        )
    if any(unit["staffing"] and not unit["staffing"]["by_staff_alone"] for unit in units):
        table.caption = f"* {target:.0%} 非增员可达，为可达按期率的 {target:.0%}; more staff alone does not reach it"
        table.caption_justify = "left"
    return table


def _needed(staffing: dict[str, Any] | None) -> str:
    if staffing is None:
        return "—"
    return f"{staffing['needed']}{'' if staffing['by_staff_alone'] else '*'} ({staffing['reached']:.1%})"


def _percent(share: float | None) -> str:
    return "—" if share is None else f"{share:.1%}"


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:,.1f}"
