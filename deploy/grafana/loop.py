"""闭环: receive → dispatch → handle → verify → rate; where cases wait, and what comes of them."""

from deploy.grafana.panels import Dashboard, Query, Row, lines, number, quantiles

DISPATCHED_WITHIN = (
    'sum(rate(chuishao_dispatch_seconds_bucket{{le="{le}"}}[$__rate_interval]))'
    " / sum(rate(chuishao_dispatch_seconds_count[$__rate_interval]))"
)


def hourly(counter: str, label: str) -> Query:
    return Query(f"sum by ({label}) (increase({counter}[1h]))", f"{{{{{label}}}}}")


RECEIVE = Row(
    "接单 · Receive",
    [
        lines(
            "来哨按来源 · Whistles by source",
            hourly("chuishao_intake_whistles_total", "source"),
            zh="每小时来哨，按来源。某个来源归零时联系那一方；骤增时看实时统计有无诉求激增。",
            en="Whistles an hour by source. One that falls to zero: call them; a jump: see whether a surge is told.",
            unit="short",
            stacked=True,
        ),
        lines(
            "来哨按结果 · Whistles by fate",
            hourly("chuishao_intake_whistles_total", "fate"),
            zh="每小时受理、重复与拒收的数量。拒收增多时看来源的格式是否变了。",
            en="Accepted, repeated and refused an hour. More refused: has a source changed its format?",
            unit="short",
            stacked=True,
        ),
        lines(
            "来单坏行 · Rejected orders",
            Query(
                "sum by (format, field) (increase(chuishao_intake_rejected_orders_total[1h]))", "{{format}} {{field}}"
            ),
            zh="每小时无法接收的来单，按格式和出错字段。把字段告诉来源方，改好后重发。",
            en="Orders that could not be taken, by format and field. "
            "Tell the source the field; once mended it sends again.",
            unit="short",
        ),
    ],
)

DISPATCH = Row(
    "派单 · Dispatch",
    [
        number(
            "15 毫秒内 · Within 15 ms",
            DISPATCHED_WITHIN.format(le="0.015"),
            zh="15 毫秒内派出的比例，目标一半。低于目标时看事务耗时与转发耗时。",
            en="Share dispatched within 15 ms; the goal is half. Below it: look at transactions and publishing.",
            unit="percentunit",
            warn=0.5,
            bad=0.1,
            falling=True,
        ),
        number(
            "100 毫秒内 · Within 100 ms",
            DISPATCHED_WITHIN.format(le="0.1"),
            zh="100 毫秒内派出的比例，目标 99%。低于目标时按手册查 Kafka 与 PostgreSQL。",
            en="Share dispatched within 100 ms; the goal is 99 %. "
            "Below it: follow the runbook through Kafka and PostgreSQL.",
            unit="percentunit",
            warn=0.99,
            bad=0.9,
            falling=True,
            alert="DispatchBudgetBurnsFast",
        ),
        number(
            "派出速度 · Dispatched",
            "sum(rate(chuishao_dispatch_seconds_count[$__rate_interval]))",
            zh="每秒自动派出的哨单。来哨而不派出时，看派单服务的积压与死信。",
            en="Cases dispatched a second without a person. "
            "Whistles but none dispatched: see router's lag and dead letters.",
            unit="ops",
        ),
        number(
            "待派 · To dispatch",
            'sum(max by (stage, unit_kind) (chuishao_cases_open{stage="to_dispatch"})) or vector(0)',
            zh="等人派单的哨单。积压时区中心增派人手，或补充派单规则。",
            en="Cases that wait for a person to dispatch them. "
            "Piling up: more people at the hub, or rules for what recurs.",
            unit="short",
            warn=50,
        ),
        number(
            "查重积压 · Duplicates waiting",
            "sum(chuishao_duplicates_waiting)",
            zh="还没有查重的事实。持续上升时看派单服务的负载；只是提示会晚，不影响派单。",
            en="Facts not looked at for duplicates. "
            "Rising: see router's load; proposals come late, dispatch does not suffer.",
            unit="short",
            warn=1000,
        ),
        number(
            "查重失败 · Duplicates failed",
            "sum(increase(chuishao_duplicates_failed_total[24h]))",
            zh="24 小时内跳过未比较的哨单。大于 0 是程序错误，把派单日志交给维护者。",
            en="Cases passed over without a comparison in 24 h. "
            "Above 0 is a fault of ours: send router's log to the maintainers.",
            unit="short",
            bad=1,
            decimals=0,
            alert="DuplicatesFailed",
        ),
        lines(
            "派单时延与目标 · Dispatch latency and its goals",
            *quantiles("chuishao_dispatch_seconds", "", 0.5, 0.9, 0.99),
            zh="从来哨到派出；黄线 15 毫秒是 p50 目标，红线 100 毫秒是 p99 目标。越线时看积压、事务耗时与转发耗时。",
            en="Whistle to assignment; yellow 15 ms is p50's goal, red 100 ms p99's. "
            "Above: see lag, transactions, publishing.",
            unit="s",
            warn=0.015,
            bad=0.1,
            width=12,
            logarithmic=True,
            alert="DispatchBudgetBurnsFast",
        ),
        lines(
            "查重 · Duplicates",
            Query("sum(rate(chuishao_duplicates_compared_total[$__rate_interval]))", "比较 compared"),
            Query("sum(rate(chuishao_duplicates_found_total[$__rate_interval]))", "相似 found"),
            zh="每秒比较与发现的相似哨单。发现骤增时多半是同一事件，由人并案。",
            en="Pairs compared and cases found alike a second. A jump is most often one event: a person merges them.",
            unit="ops",
            width=12,
        ),
    ],
)

HANDLE = Row(
    "办理 · Handle",
    [
        lines(
            "在办按环节 · Open by stage",
            Query("sum by (stage) (max by (stage, unit_kind) (chuishao_cases_open))", "{{stage}}"),
            zh="各环节的在办哨单。某一环节变厚就是堵点，找负责这一环节的人。",
            en="Open cases by stage. The stage that grows thick is where they wait: turn to whoever acts there.",
            unit="short",
            stacked=True,
        ),
        lines(
            "在办按单位类别 · Open by kind of unit",
            Query("sum by (unit_kind) (max by (stage, unit_kind) (chuishao_cases_open))", "{{unit_kind}}"),
            zh="哪一类单位手里有多少；none 是还没有单位。none 上升时是没有派出去。",
            en="Which kind of unit has how many; none = nobody yet. If none rises, cases are not dispatched.",
            unit="short",
            stacked=True,
        ),
        lines(
            "结束 · Ended",
            hourly("chuishao_cases_ended_total", "stage"),
            zh="每小时结束的哨单，按结束环节。不予受理或撤回骤增时抽查理由。",
            en="Cases that ended an hour, by final stage. "
            "More declined or withdrawn than usual: read some of the reasons.",
            unit="short",
            stacked=True,
        ),
        lines(
            "四环耗时中位数 · Time in each stage, median",
            *quantiles("chuishao_loop_stage_seconds", "stage", 0.5),
            zh="接单、派单、办理、验单、评单各用多久，中位数。哪一环变长，就查哪一环的时限与单位。",
            en="How long cases are in each stage of the loop, median. "
            "The one that grows: look at its deadlines and units.",
            unit="s",
            width=12,
            logarithmic=True,
        ),
        lines(
            "四环耗时 p90 · Time in each stage, p90",
            *quantiles("chuishao_loop_stage_seconds", "stage", 0.9),
            zh="最慢的一成用了多久。远高于中位数时，少数单位或类别在拖，看“单位”页。",
            en="How long the slowest tenth takes. "
            "Far above the median: few units or categories are slow, see 单位 One unit.",
            unit="s",
            width=12,
            logarithmic=True,
        ),
    ],
)

VERIFY_AND_RATE = Row(
    "验单、评单与回音 · Verify, rate, answer",
    [
        lines(
            "验单 · Checks",
            hourly("chuishao_feedback_checks_total", "result"),
            zh="每小时核查，通过与不通过。不通过增多时抽查办结质量。",
            en="Checks an hour, passed and failed. More failed: sample what the units call done.",
            unit="short",
            stacked=True,
        ),
        lines(
            "评单与回访 · Ratings and call-backs",
            Query("sum(increase(chuishao_feedback_ratings_total[1h]))", "评单 rated"),
            Query("sum(increase(chuishao_feedback_residents_asked_total[1h]))", "已发问卷 asked"),
            Query("sum(increase(chuishao_feedback_resident_answers_total[1h]))", "已回答 answered"),
            zh="每小时评单、发出的三问与居民回答。发出而无回答时，检查公开网址是否可达。",
            en="Ratings, residents asked and their answers an hour. "
            "Asked but no answers: can the public address be reached?",
            unit="short",
        ),
        lines(
            "满意度 · Satisfaction",
            hourly("chuishao_feedback_resident_answers_total", "satisfaction"),
            zh="居民回答，按满意程度。不满意增多时看是哪个单位、哪个类别。",
            en="Residents' answers by satisfaction. More unsatisfied: find the unit and the category.",
            unit="short",
            stacked=True,
        ),
        lines(
            "结论 · Verdicts",
            hourly("chuishao_feedback_conclusions_total", "verdict"),
            zh="每小时的结论: 办结或重办。重办增多时回看验单是否走过场。",
            en="Verdicts an hour: close or reopen. More reopened: were the checks mere form?",
            unit="short",
            width=6,
            stacked=True,
        ),
        lines(
            "抽查 · Samples",
            hourly("chuishao_feedback_samples_total", "outcome"),
            zh="每小时抽中、通过与不通过。抽中而不查时催办抽查人。",
            en="Samples drawn, passed and failed an hour. Drawn but not checked: remind whoever checks.",
            unit="short",
            width=6,
        ),
        lines(
            "剔除 · Exclusions",
            hourly("chuishao_feedback_exclusions_total", "outcome"),
            zh="每小时申请、批准与驳回的剔除。申请集中在一个单位时复核理由。",
            en="Exclusions asked, approved, turned down an hour. Many of one unit: review their reasons.",
            unit="short",
            width=6,
        ),
        lines(
            "公示 · Public board",
            hourly("chuishao_feedback_board_entries_total", "outcome"),
            zh="每小时公示与不予公示的条目。不公示的多时检查脱敏与公示规则。",
            en="Entries published and withheld an hour. Many withheld: check the rules of anonymising and publishing.",
            unit="short",
            width=6,
        ),
        lines(
            "答复 12345 · Replies to 12345",
            Query("sum(increase(chuishao_hotline_replies_sent_total[1h]))", "已送达 sent"),
            Query("sum by (fault) (increase(chuishao_hotline_replies_failed_total[1h]))", "失败 failed {{fault}}"),
            Query("sum(increase(chuishao_hotline_replies_put_aside_total[1h]))", "搁置 put aside"),
            zh="每小时送到、失败与搁置的 12345 答复。有搁置时用 `chuishao callbacks list` 逐条处理。",
            en="Replies to 12345 sent, failed, put aside an hour. Put aside: `chuishao callbacks list`, one by one.",
            unit="short",
            width=12,
            alert="HotlineRepliesPutAside",
        ),
        lines(
            "最久未送达 · Oldest reply waiting",
            Query("max(chuishao_hotline_reply_oldest_seconds)", "最久 oldest"),
            zh="最久没送到 12345 的答复。变老时对方接口不可用，联系 12345 值班。",
            en="Age of the oldest reply 12345 has not taken. Growing: its endpoint is away, call 12345's duty desk.",
            unit="s",
            warn=600,
            bad=3600,
            width=12,
            alert="HotlineRepliesOld",
        ),
    ],
)

LOOP = Dashboard(
    "loop",
    "闭环 · The loop",
    "接单→派单→办理→验单→评单: 在哪里等。Where cases wait, and what comes of them.",
    [RECEIVE, DISPATCH, HANDLE, VERIFY_AND_RATE],
    since="now-24h",
)
