"""运行总览: is everything well, at a glance? What is red here has a dashboard of its own, or a page in the runbook."""

from deploy.grafana.panels import Dashboard, Query, Row, lines, number, quantiles

NOW = Row(
    "此刻 · Now",
    [
        number(
            "停机服务 · Services down",
            'count(up{job="chuishao"} == 0) or vector(0)',
            zh="抓取不到的进程数。大于 0 时用 `chuishao status` 查是哪一个，再看它的日志末尾。",
            en="Processes that do not answer a scrape. "
            "Above 0: find which with `chuishao status`, read the end of its log.",
            unit="short",
            bad=1,
            alert="ServiceDown",
            width=3,
        ),
        number(
            "未就绪 · Not ready",
            "count(min by (service, check) (chuishao_ready) == 0) or vector(0)",
            zh="不通过的就绪检查数。大于 0 时打开该服务的 /health/ready，它写明原因。",
            en="Checks that do not hold. Above 0: open that service's /health/ready, it says why.",
            unit="short",
            bad=1,
            alert="NotReady",
            width=3,
        ),
        number(
            "在办哨单 · Open cases",
            "sum(max by (stage, unit_kind) (chuishao_cases_open))",
            zh="尚未办结归档的哨单。不断上升时看“闭环”页哪个环节积压。",
            en="Cases without a final stage. Rising without end: see on 闭环 The loop in which stage they pile up.",
            unit="short",
        ),
        number(
            "24 小时来哨 · Whistles in 24 h",
            'sum(increase(chuishao_intake_whistles_total{fate="accepted"}[24h]))',
            zh="最近 24 小时受理的哨与诉求。白天为 0 时，检查来源系统与接单服务。",
            en="Whistles and orders accepted in the last 24 hours. 0 by day: check the sources and intake.",
            unit="short",
            decimals=0,
        ),
        number(
            "超期未结 · Overdue",
            "sum(max by (rung) (chuishao_deadlines_overdue))",
            zh="已到期仍在督办的时限数。突然上升时先看“限时”页是否时钟出错，再找责任单位。",
            en="Deadlines that ran out and are still watched. "
            "A jump: rule out the clock on 限时 Clocks, then ask the units.",
            unit="short",
            warn=1,
        ),
        number(
            "待处理死信 · Dead letters",
            "sum(max by (service, kind) (chuishao_dead_letters_waiting))",
            zh="还没有重放的死信。大于 0 时用 `chuishao dlq list` 看原因，修好后重放。",
            en="Dead letters not replayed yet. "
            "Above 0: `chuishao dlq list` says why; replay them once the cause is mended.",
            unit="short",
            bad=1,
            alert="DeadLettersWaiting",
            width=3,
        ),
        number(
            "日志断号 · Sequence gaps",
            "sum(max by (service, log, shard) (chuishao_log_gap)) or vector(0)",
            zh="缺少序号的日志分片数。大于 0 时该分片停在缺口前，用 `chuishao log republish` 补发。",
            en="Shards of a log that miss a sequence. "
            "Above 0 they wait before the gap: heal with `chuishao log republish`.",
            unit="short",
            bad=1,
            alert="LogGap",
            width=3,
        ),
    ],
)

GOALS = Row(
    "目标 · Objectives",
    [
        lines(
            "接单应答率 · Intake acknowledged",
            Query('1 - chuishao:objective_failed:ratio5m{objective="intake"}', "5 分钟 5 min"),
            Query('1 - chuishao:objective_failed:ratio1h{objective="intake"}', "1 小时 1 h"),
            zh="接单请求中未因本方故障失败的比例。下降时看接单日志与 PostgreSQL 是否可用。",
            en="Share of requests to intake that no fault of ours failed. "
            "Falling: read intake's log, is PostgreSQL there?",
            unit="percentunit",
            warn=0.999,
            bad=0.99,
            falling=True,
            alert="IntakeBudgetBurnsFast",
        ),
        lines(
            "派单时延 · Dispatch latency",
            *quantiles("chuishao_dispatch_seconds"),
            zh="从来哨到派到单位的时间，无须人工的部分。超过 100 毫秒时看 Kafka 与 PostgreSQL 页的积压和事务时间。",
            en="From whistle to assignment where no person is needed. "
            "Over 100 ms: see lag and transactions on the Kafka page.",
            unit="s",
            warn=0.1,
            bad=1,
            alert="DispatchBudgetBurnsFast",
        ),
        lines(
            "时限触发延迟 · Timer lateness",
            *quantiles("chuishao_timer_lateness_seconds"),
            zh="时限到点后多久触发。变长时看限时服务的负载，以及一次到期的数量。",
            en="How long after its time a deadline's step is taken. "
            "Growing: look at sla's load and at how many fall due at once.",
            unit="s",
            warn=1,
            bad=5,
            alert="TimerBudgetBurnsFast",
        ),
    ],
)

FLOW = Row(
    "流量与错误 · Rate, errors, duration",
    [
        lines(
            "请求量 · HTTP requests",
            Query("sum by (service) (rate(chuishao_http_request_seconds_count[$__rate_interval]))", "{{service}}"),
            zh="各服务每秒请求数。骤升时看是哪个来源，骤降时看前面的代理。",
            en="Requests a second by service. A surge: find the source; a sudden fall: look at the proxy before it.",
            unit="reqps",
        ),
        lines(
            "服务端错误 · HTTP 5xx",
            Query(
                'sum by (service) (rate(chuishao_http_request_seconds_count{status=~"5.."}[$__rate_interval]))'
                " or sum by (service) (rate(chuishao_http_request_seconds_count[$__rate_interval])) * 0",
                "{{service}}",
            ),
            zh="各服务每秒 5xx 应答。503 表示依赖不可用，先查 PostgreSQL；500 是程序错误，看日志。",
            en="5xx answers a second. "
            "503: something it needs is away, PostgreSQL first; 500: a fault of ours, read the log.",
            unit="reqps",
            bad=0.1,
            alert="RequestsFailing",
        ),
        lines(
            "请求耗时 p99 · HTTP duration p99",
            *quantiles("chuishao_http_request_seconds", "service", 0.99),
            zh="各服务 99% 请求的耗时上限。变慢时比较事务耗时与连接池，找出在等什么。",
            en="99 % of requests are faster. "
            "Slow: compare with the transactions and the pool to see what they wait for.",
            unit="s",
            warn=1,
            bad=5,
        ),
        lines(
            "最慢的门 · Slowest doors",
            Query(
                "topk(8, histogram_quantile(0.99, sum by (le, service, method, route)"
                " (rate(chuishao_http_request_seconds_bucket[$__rate_interval]))))",
                "{{service}} {{method}} {{route}}",
            ),
            zh="p99 最慢的八个接口。某一个突出时看它的查询与上游。",
            en="The eight doors with the slowest p99. One that sticks out: look at its query and whom it asks.",
            unit="s",
            width=12,
        ),
        lines(
            "正在处理的请求 · Requests under way",
            Query("sum by (service) (chuishao_http_requests_under_way)", "{{service}}"),
            zh="尚未应答的请求数。持续堆积说明服务卡住，看连接池与数据库。",
            en="Requests not answered yet. If they pile up the service is stuck: look at its pool and the database.",
            unit="short",
            width=12,
        ),
        lines(
            "处理结果 · Inputs by fate",
            Query("sum by (service, fate) (rate(chuishao_inputs_total[$__rate_interval]))", "{{service}} {{fate}}"),
            zh="消息、命令与定时的处理结果，每秒。被埋的增多时看死信；被拒的增多时看是谁发的。",
            en="What became of messages, commands and timers. "
            "More buried: see the dead letters; more refused: ask the sender.",
            unit="ops",
        ),
        lines(
            "决策耗时 p99 · Handlers p99",
            Query(
                "topk(8, histogram_quantile(0.99, sum by (le, service, type)"
                " (rate(chuishao_handler_seconds_bucket[$__rate_interval]))))",
                "{{service}} {{type}}",
            ),
            zh="最慢的八种决策，不含数据库与 Kafka。变慢时检查新的规则或配置。",
            en="The eight slowest decisions, without database and broker. "
            "Slower than before: look at new rules or set-up.",
            unit="s",
        ),
        lines(
            "未发布最久 · Oldest unpublished",
            Query("max by (service) (chuishao_log_unpublished_oldest_seconds)", "{{service}}"),
            zh="已提交而未发到 Kafka 的最旧记录。变老时 Kafka 不可用或转发停了，看 Kafka 日志。",
            en="Age of the oldest committed row not on Kafka. "
            "Growing: Kafka is away or the relay stopped; read Kafka's log.",
            unit="s",
            warn=5,
            bad=30,
            alert="UnpublishedOld",
        ),
    ],
)

PROCESSES = Row(
    "进程 · Processes",
    [
        lines(
            "处理器 · CPU",
            Query(
                'sum by (service) (rate(process_cpu_seconds_total{job="chuishao"}[$__rate_interval]))', "{{service}}"
            ),
            zh="各服务占用的核数。一个进程接近 1 时已满，增加进程。",
            en="Cores used by service. A process near 1 is full: add workers.",
            unit="short",
            warn=0.9,
            width=6,
        ),
        lines(
            "内存 · Memory",
            Query('sum by (service) (process_resident_memory_bytes{job="chuishao"})', "{{service}}"),
            zh="各服务的常驻内存。一直上升不回落时，重启该服务并保存日志以查泄漏。",
            en="Resident memory by service. "
            "If it only ever rises, restart that service and keep its log to find the leak.",
            unit="bytes",
            width=6,
        ),
        lines(
            "版本 · Releases",
            Query("count by (service, release, python) (chuishao_build_info)", "{{service}} {{release}} py{{python}}"),
            zh="各进程的版本。升级后仍有旧版本时，重启那一个。",
            en="Which release answers. If an old one is left after an upgrade, restart it.",
            unit="short",
            width=6,
        ),
        lines(
            "配置版本 · Set-up in force",
            Query("max by (service, kind) (chuishao_setup_version)", "{{service}} {{kind}}"),
            Query("sum by (service, kind) (chuishao_setup_unreadable_total)", "{{service}} {{kind}} 不可读 unreadable"),
            zh="各服务所用配置的版本号与跳过的不可读版本。各服务不一致或有不可读的，重新导入该配置。",
            en="The set-up versions that decide, and those passed over. "
            "If services differ or one is unreadable, import it anew.",
            unit="short",
            width=6,
            alert="SetupUnreadable",
        ),
        lines(
            "实时看板连接 · Live boards",
            Query("sum(chuishao_board_watchers)", "打开的看板 open"),
            Query("sum(increase(chuishao_board_watchers_dropped_total[1h]))", "1 小时掐断 dropped in 1 h"),
            Query("min(chuishao_board_broker_connected)", "连着 Kafka connected"),
            zh="打开的实时看板、被掐断的与是否连着 Kafka。连接为 0 时看工作台日志；掐断多时是对方网络慢。",
            en="Live boards open, cut off, and whether Kafka is read. "
            "Not connected: the workbench's log; many cut: slow readers.",
            unit="short",
            alert="BoardDisconnected",
        ),
        lines(
            "看板读到的事实 · Facts on the board",
            Query("sum by (topic) (rate(chuishao_board_facts_total[$__rate_interval]))", "{{topic}}"),
            Query(
                "sum by (topic) (rate(chuishao_board_unreadable_total[$__rate_interval]))",
                "{{topic}} 不可读 unreadable",
            ),
            zh="工作台每秒读到的事实与读不懂的消息。有读不懂的时，工作台比其他服务旧，升级它。",
            en="Facts the workbench reads a second, and what it cannot. "
            "Unreadable: it is older than the rest, upgrade it.",
            unit="ops",
        ),
        lines(
            "工作台的上游 · The workbench's upstream",
            Query(
                "sum by (service, outcome) (rate(chuishao_upstream_request_seconds_count[$__rate_interval]))",
                "{{service}} {{outcome}}",
            ),
            zh="工作台向其他服务的请求，按结果。失败增多时去看那个服务。",
            en="What the workbench asks of the others, by outcome. More failures: look at the service that is named.",
            unit="reqps",
        ),
    ],
)

OPERATIONS = Dashboard(
    "operations", "运行总览 · Operations", "一眼看全: 是否一切正常。Is everything well?", [NOW, GOALS, FLOW, PROCESSES]
)
