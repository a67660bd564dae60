"""单位: one unit's last 24 hours, from the live statistics. Not a scorecard: nothing is excluded or judged here."""

from deploy.grafana.panels import Dashboard, Panel, Query, Row, bars, lines, number

OF_UNIT = 'chuishao_live_cases{{of="unit", key="$unit", what="{what}"}}'


def counted(title: str, what: str, zh: str, en: str, **more: float) -> Panel:
    return number(title, f"max({OF_UNIT.format(what=what)})", zh=zh, en=en, unit="short", **more)


THIS_UNIT = Row(
    "$unit · 最近 24 小时 · The last 24 hours",
    [
        number(
            "在办 · Open",
            'max(chuishao_live_open_cases{unit="$unit"}) or vector(0)',
            zh="这个单位手里的在办哨单。只增不减时问单位缺什么。",
            en="Open cases this unit has. Only ever rising: ask the unit what it lacks.",
            unit="short",
        ),
        counted(
            "派来 · Dispatched",
            "dispatched",
            "24 小时内派给这个单位的哨单。明显多于办结时会积压，提前协调。",
            "Cases dispatched to this unit in 24 h. Far more than are closed: they will pile up, talk early.",
        ),
        counted(
            "超期 · Overdue",
            "overdue",
            "24 小时内这个单位超期的次数。大于 0 时看“限时”页的梯级并督办。",
            "Times this unit ran out of time in 24 h. Above 0: see the rung on 限时 Clocks and press.",
            warn=1,
            bad=10,
        ),
        counted(
            "办结 · Closed",
            "closed",
            "24 小时内这个单位办结的哨单。接到而不办结时问原因。",
            "Cases of this unit closed in 24 h. Dispatched but none closed: ask why.",
        ),
        counted(
            "获评 · Rated",
            "rated",
            "24 小时内这个单位得到的评单。办结而无评时催吹哨方评价。",
            "Ratings this unit got in 24 h. Closed but not rated: remind the whistle-blowers.",
        ),
        number(
            "超期占比 · Share overdue",
            f"max({OF_UNIT.format(what='overdue')}) / clamp_min(max({OF_UNIT.format(what='dispatched')}), 1)",
            zh="24 小时内超期次数与派来哨单之比。高于十分之一时约谈，再看是人手还是规则的问题。",
            en="Times out of time per case dispatched in 24 h. Above a tenth: talk to them; people, or the rule?",
            unit="percentunit",
            warn=0.1,
            bad=0.3,
        ),
        lines(
            "在办 · Open over time",
            Query('max by (unit) (chuishao_live_open_cases{unit="$unit"}) or vector(0)', "在办 open"),
            zh="这个单位在办数的变化。连续几天上升时约谈或调配。",
            en="This unit's open cases over time. Rising for days: talk to them, or move work.",
            unit="short",
            width=12,
        ),
        lines(
            "24 小时滚动 · Rolling 24 hours",
            Query('max by (what) (chuishao_live_cases{of="unit", key="$unit", what!="received"})', "{{what}}"),
            zh="这个单位 24 小时内的派来、办结、超期与获评。派来线高过办结线即在积压。",
            en="What came, was closed, ran out and was rated in 24 h. Dispatched above closed means it piles up.",
            unit="short",
            width=12,
        ),
    ],
)

COMPARED = Row(
    "与其他单位 · Among the others",
    [
        bars(
            "在办最多 · Most open",
            Query("topk(10, max by (unit) (chuishao_live_open_cases))", "{{unit}}"),
            zh="此刻在办最多的十个单位。所选单位在其中时优先协调。",
            en="The ten units with most open cases now. If the chosen one is among them, it goes first.",
            unit="short",
        ),
        bars(
            "超期最多 · Most overdue",
            Query('topk(10, max by (key) (chuishao_live_cases{of="unit", what="overdue"}))', "{{key}}"),
            zh="24 小时内超期最多的十个单位。集中在同一类单位时看规则，单个突出时督办。",
            en="The ten units that ran out of time most in 24 h. All of one kind: see the rule; one alone: press it.",
            unit="short",
            warn=1,
            bad=10,
        ),
        bars(
            "诉求类别 · Categories",
            Query('topk(10, max by (key) (chuishao_live_cases{of="category", what="received"}))', "{{key}}"),
            zh="全区 24 小时来得最多的十个类别。骤增的类别提前通知负责单位。",
            en="The ten categories that came most in 24 h, whole district. Warn the unit in charge of one that jumps.",
            unit="short",
        ),
    ],
)

STATISTICS = Row(
    "统计本身 · The statistics themselves",
    [
        lines(
            "诉求激增 · Surges",
            Query("max by (kind) (chuishao_live_surges)", "{{kind}} 持续 lasting"),
            Query("sum by (fact) (increase(chuishao_live_surges_told_total[1h]))", "{{fact}} 1 小时 in 1 h"),
            zh="正在持续的激增与每小时告知的。出现时打开工作台的激增页，合并处置。",
            en="Surges that last, and what was told an hour. "
            "When one shows: open the workbench's page and act on it as one.",
            unit="short",
        ),
        lines(
            "读到的事件 · Events counted",
            Query("sum by (fate) (rate(chuishao_live_events_total[$__rate_interval]))", "{{fate}}"),
            zh="实时统计每秒计入的事件，按结果。有哨单而为 0 时重启 live，它会自行重算。",
            en="Events counted a second, by fate. 0 while cases move: restart live, it counts anew by itself.",
            unit="ops",
        ),
        lines(
            "落后 · Behind",
            Query("max(chuishao_live_behind_seconds)", "最后一件 last event"),
            zh="最后一个事件计入时已有多旧。大时本页数字是旧的，等它追上或看 live 的日志。",
            en="How old the last event was when counted. "
            "If large this page is old: wait until it catches up, or read live's log.",
            unit="s",
            warn=60,
            bad=600,
            alert="LiveBehind",
        ),
    ],
)

UNIT = Dashboard(
    "unit",
    "单位 · One unit",
    "一个单位最近 24 小时，来自实时统计，不是考核。One unit's day, from the live statistics; not a scorecard.",
    [THIS_UNIT, COMPARED, STATISTICS],
    since="now-24h",
    unit=True,
)
