"""限时: do deadlines fire, and in time? What runs, what is overdue, who is still to be told."""

from deploy.grafana.panels import Dashboard, Query, Row, bars, lines, number, quantiles

NOW = Row(
    "时钟 · The clock",
    [
        number(
            "时钟跳变 · Clock jumped",
            "max(chuishao_timer_clock_jumped)",
            zh="为 1 时数据库时钟跳变，所有时限停止触发。先校准 PostgreSQL 主机的时间，再按手册放行。",
            en="1: the database's clock jumped and nothing fires. "
            "Set the time of PostgreSQL's host, then follow the runbook.",
            unit="short",
            bad=1,
            alert="ClockJumped",
        ),
        number(
            "1 秒内触发 · Fired within 1 s",
            'sum(rate(chuishao_timer_lateness_seconds_bucket{le="1.0"}[$__rate_interval]))'
            " / sum(rate(chuishao_timer_lateness_seconds_count[$__rate_interval]))",
            zh="到点后 1 秒内触发的比例。下降时看限时服务的负载与数据库。",
            en="Share of steps taken within a second. Falling: look at sla's load and the database.",
            unit="percentunit",
            warn=0.999,
            bad=0.99,
            falling=True,
            alert="TimerBudgetBurnsFast",
        ),
        number(
            "在算的时限 · Deadlines live",
            "sum(max by (obligation, state) (chuishao_deadlines_live))",
            zh="正在计时或督办的时限。有在办哨单而为 0 时，限时服务没有读到事实，看它的积压。",
            en="Deadlines that run or are watched. 0 while cases are open: sla reads nothing, see its lag.",
            unit="short",
        ),
        number(
            "超期 · Overdue",
            'sum(max by (obligation, state) (chuishao_deadlines_live{state="overdue"})) or vector(0)',
            zh="已到期仍未完成的义务。上升时按下方梯级找到该督办的人。",
            en="Obligations that ran out and are not met. Rising: the rungs below say who is to be pressed.",
            unit="short",
            warn=1,
        ),
        number(
            "推迟 · Postponed",
            "sum(increase(chuishao_timer_postponed_total[24h]))",
            zh="24 小时内触发失败而推迟的时限。大于 0 是程序错误，把限时日志交给维护者。",
            en="Deadlines put off in 24 h because their step failed. Above 0 is a fault of ours: send sla's log in.",
            unit="short",
            bad=1,
            decimals=0,
            alert="TimerPostponed",
        ),
        number(
            "读到多久前 · sla behind",
            'max(chuishao_consumer_lag_seconds{service="sla"})',
            zh="限时服务读事实落后多久。落后时新时限没有上表，看积压与 PostgreSQL。",
            en="How far sla is behind the facts. Behind: new deadlines are not armed yet, see lag and PostgreSQL.",
            unit="s",
            warn=5,
            bad=60,
            alert="ConsumerBehind",
        ),
    ],
)

FIRING = Row(
    "触发 · Firing",
    [
        lines(
            "触发延迟 · Lateness",
            *quantiles("chuishao_timer_lateness_seconds", "", 0.5, 0.9, 0.99),
            zh="到点后多久触发，从不提前。同时到期太多会变长；长时间偏高时增加限时进程。",
            en="How long after its time a step is taken, never before. "
            "Many due at once make it long; if it stays, add a worker.",
            unit="s",
            warn=0.1,
            bad=1,
            width=12,
            logarithmic=True,
            alert="TimerBudgetBurnsFast",
        ),
        lines(
            "触发 · Fired",
            Query("sum by (obligation, step) (increase(chuishao_timer_fired_total[1h]))", "{{obligation}} {{step}}"),
            zh="每小时触发的黄牌、红牌与督办梯级，按义务。红牌集中在一种义务时，看是规则太紧还是人手不足。",
            en="Yellow, red and rungs an hour by obligation. "
            "Red in one obligation: is the limit too tight, or are people few?",
            unit="short",
            width=12,
            stacked=True,
        ),
    ],
)

RUNNING = Row(
    "在算与超期 · Live and overdue",
    [
        lines(
            "在算按义务 · Live by obligation",
            Query(
                "sum by (obligation, state) (max by (obligation, state) (chuishao_deadlines_live))",
                "{{obligation}} {{state}}",
            ),
            zh="各义务正在计时与超期的数量。超期部分变厚的义务先处理。",
            en="Armed and overdue by obligation. Begin with the obligation whose overdue part grows.",
            unit="short",
            width=12,
            stacked=True,
        ),
        lines(
            "超期按梯级 · Overdue by rung",
            Query("max by (rung) (chuishao_deadlines_overdue)", "梯级 rung {{rung}}"),
            zh="超期时限到了督办的第几级；0 为尚未上梯。高梯级增多时请该级领导出面。",
            en="How far up the ladder overdue deadlines are; 0 = none yet. "
            "More on a high rung: that leader has to step in.",
            unit="short",
            stacked=True,
        ),
        bars(
            "此刻各梯级 · By rung now",
            Query("max by (rung) (chuishao_deadlines_overdue)", "{{rung}}"),
            zh="此刻各梯级的超期数。最高一级不为空时当天处理。",
            en="Overdue by rung now. When the highest is not empty, act today.",
            unit="short",
            width=4,
            warn=1,
        ),
    ],
)

NOTICES = Row(
    "提醒 · Notices",
    [
        lines(
            "待告知 · Waiting",
            Query("max(chuishao_notices_waiting)", "待告知 waiting"),
            zh="还没有告知到人的时限步骤。夜间与假日积压正常；工作时间不降时看限时日志。",
            en="Steps people are still to be told of. "
            "Nights and holidays are ordinary; not falling by day: read sla's log.",
            unit="short",
        ),
        lines(
            "最久未告知 · Oldest notice",
            Query("max(chuishao_notices_oldest_seconds)", "最久 oldest"),
            zh="最久的一条等了多久。超过 14 天是故障，按手册处理。",
            en="How long the oldest waits. Over 14 days is a fault: follow the runbook.",
            unit="s",
            bad=14 * 86400,
            alert="NoticesOld",
        ),
        lines(
            "读不懂的步骤 · Unreadable steps",
            Query("sum(increase(chuishao_notices_unreadable_total[24h]))", "24 小时 in 24 h"),
            zh="24 小时内因读不懂而没有告知的步骤。大于 0 是程序错误，把日志交给维护者。",
            en="Steps nobody was told of because they could not be read, 24 h. "
            "Above 0 is a fault of ours: send the log in.",
            unit="short",
            bad=1,
            alert="NoticesUnreadable",
        ),
        lines(
            "汇总提醒 · Digests",
            Query("sum by (post) (increase(chuishao_notice_digests_total[1h]))", "{{post}}"),
            zh="每小时发出的汇总，按岗位。工作日早晨没有时，检查工作历与限时服务。",
            en="Digests released an hour by post. None on a working morning: check the calendar and sla.",
            unit="short",
            width=12,
        ),
        lines(
            "每份汇总的条数 · Entries in a digest",
            *quantiles("chuishao_notice_digest_entries", "", 0.5, 0.99),
            zh="一份汇总告知多少条。太长就没有人读，调整告知规则。",
            en="How many steps one digest tells of. Too long is not read: change who is told what.",
            unit="short",
            width=12,
        ),
    ],
)

CLOCKS = Dashboard(
    "clocks",
    "限时 · Clocks",
    "时限是否按时触发，谁已超期。Do deadlines fire in time, and who is overdue?",
    [NOW, FIRING, RUNNING, NOTICES],
)
