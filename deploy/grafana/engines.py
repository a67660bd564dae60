"""Kafka 与 PostgreSQL: does what is committed get out, does what is published get read, has the database room?"""

from deploy.grafana.panels import Dashboard, Query, Row, bars, lines, quantiles

READING = Row(
    "读取 · Reading",
    [
        lines(
            "积压条数 · Lag in messages",
            Query("sum by (service, topic) (chuishao_consumer_lag_messages)", "{{service}} ← {{topic}}"),
            zh="主题里还没读的消息。一直上升时读方太慢或停了，看它的死信、重试与日志。",
            en="Messages not read yet. "
            "If it only rises the reader is slow or stopped: see its dead letters, retries and log.",
            unit="short",
            warn=1000,
            bad=10000,
            alert="ConsumerBehind",
        ),
        lines(
            "积压时长 · Lag in seconds",
            Query("max by (service, topic) (chuishao_consumer_lag_seconds)", "{{service}} ← {{topic}}"),
            zh="最落后的分区读到多久以前。超过一分钟时按手册处理；条数少而时间长多半是断号。",
            en="How old the last message read is on the partition furthest behind. "
            "Over a minute: the runbook; few but old: a gap.",
            unit="s",
            warn=5,
            bad=60,
            alert="ConsumerBehind",
        ),
        lines(
            "断号 · Sequence gaps",
            Query("sum by (service, log) (max by (service, log, shard) (chuishao_log_gap))", "{{service}} ← {{log}}"),
            zh="缺少序号的分片，按读方与日志。大于 0 时用 `chuishao log republish` 从源头补发。",
            en="Shards that miss a sequence, by reader and log. "
            "Above 0: republish from the source, `chuishao log republish`.",
            unit="short",
            bad=1,
            alert="LogGap",
        ),
        lines(
            "读取的分区 · Partitions read",
            Query("sum by (service) (chuishao_consumer_partitions)", "{{service}} 读 reads"),
            Query("sum by (service) (chuishao_relay_shards)", "{{service}} 转发 relays"),
            zh="各服务读取的分区与转发的分片。转发合计不到 12 时有分片没人发，看该服务是否在重新分配。",
            en="Partitions read and shards relayed. "
            "Fewer than 12 relayed: some shard is not sent, is the group rebalancing?",
            unit="short",
            width=12,
            alert="RelayShardsUnheld",
        ),
        lines(
            "死信 · Dead letters",
            Query(
                "sum by (service, kind) (increase(chuishao_dead_letters_total[1h]))",
                "{{service}} {{kind}} 1 小时 in 1 h",
            ),
            Query("max by (service, kind) (chuishao_dead_letters_waiting)", "{{service}} {{kind}} 待处理 waiting"),
            zh="每小时被埋的与还在等的死信，按原因。用 `chuishao dlq show` 看一条，修好后 `replay`。",
            en="Buried an hour and still waiting, by kind. Look at one with `chuishao dlq show`, mend, then `replay`.",
            unit="short",
            width=12,
            bad=1,
            alert="DeadLettersWaiting",
        ),
    ],
)

PUBLISHING = Row(
    "发布 · Publishing",
    [
        lines(
            "未发布行数 · Unpublished rows",
            Query("max by (service) (chuishao_log_unpublished_rows)", "{{service}}"),
            zh="已提交而未发布的日志行。持续上升时 Kafka 不可用；数据不会丢，恢复后自动补发。",
            en="Rows committed but not published. Rising: Kafka is away; nothing is lost, they go out when it is back.",
            unit="short",
            warn=1000,
            alert="UnpublishedOld",
        ),
        lines(
            "未发布时长 · Unpublished age",
            Query("max by (service) (chuishao_log_unpublished_oldest_seconds)", "{{service}}"),
            zh="最旧一行等了多久。Kafka 正常而仍变老时，转发停了，重启那个服务。",
            en="How long the oldest waits. "
            "If Kafka is well and it still grows, the relay stopped: restart that service.",
            unit="s",
            warn=5,
            bad=30,
            alert="UnpublishedOld",
        ),
        lines(
            "提交与发布 · Appended and published",
            Query(
                "sum by (service) (rate(chuishao_log_appended_total[$__rate_interval]))", "{{service}} 提交 appended"
            ),
            Query(
                "sum by (service) (rate(chuishao_log_published_total[$__rate_interval]))", "{{service}} 发布 published"
            ),
            zh="每秒提交与发布的日志行。两条线应重合；发布低于提交时看发布失败。",
            en="Rows committed and published a second. The lines belong together; published below: see the failures.",
            unit="ops",
        ),
        lines(
            "发布耗时 p99 · Publishing p99",
            *quantiles("chuishao_publish_seconds", "service", 0.99),
            zh="Kafka 确认一轮发布的耗时。变慢时看 Kafka 主机的磁盘与副本。",
            en="What Kafka takes to acknowledge a round. Slow: look at the disks and replicas of Kafka's hosts.",
            unit="s",
            warn=0.1,
            bad=1,
        ),
        lines(
            "发布批量 · Published at once",
            *quantiles("chuishao_published_batch_size", "service", 0.5, 0.99),
            zh="一轮发布多少条。一直顶到上限时转发已满，增加进程。",
            en="Messages in one round. Always at the top: the relay is full, add a worker.",
            unit="short",
        ),
        lines(
            "发布失败 · Publishing failures",
            Query("sum by (service) (rate(chuishao_publish_failures_total[$__rate_interval]))", "{{service}}"),
            zh="每秒失败的发布轮次，会自动重试。持续出现时看 Kafka 是否可达、磁盘是否写满。",
            en="Rounds that failed a second; they are tried again. "
            "If it goes on: is Kafka reachable, is its disk full?",
            unit="ops",
            bad=0.1,
        ),
    ],
)

TRANSACTIONS = Row(
    "事务 · Transactions",
    [
        lines(
            "一批的路程 p99 · Travel p99",
            *quantiles("chuishao_travel_seconds", "service, door", 0.99),
            zh="从入门到提交，含重试。变慢时看重试、连接池与最老事务。",
            en="From the door to the commit, retries included. Slow: see retries, the pool and the oldest transaction.",
            unit="s",
            warn=0.1,
            bad=1,
        ),
        lines(
            "批量 · Batch size",
            *quantiles("chuishao_batch_size", "service", 0.5, 0.99),
            zh="一个事务处理多少条。低负载时小是正常的；一直到 500 说明在追赶。",
            en="Inputs in one transaction. Small is right at low load; always 500 means it is catching up.",
            unit="short",
        ),
        lines(
            "重试 · Retries",
            Query("sum by (service) (rate(chuishao_retries_total[$__rate_interval]))", "{{service}}"),
            zh="每秒因暂时故障重做的事务。偶发正常；持续时看 PostgreSQL 的日志与锁。",
            en="Transactions done again a second. A few are ordinary; if it goes on, PostgreSQL's log and locks.",
            unit="ops",
            warn=1,
            alert="RetriesStorm",
        ),
    ],
)

POSTGRESQL = Row(
    "PostgreSQL",
    [
        lines(
            "连接池 · Pool",
            Query("sum by (service, state) (chuishao_pool_connections)", "{{service}} {{state}}"),
            Query("sum by (service) (chuishao_pool_connections_limit)", "{{service}} 上限 limit"),
            zh="连接池的在用、空闲与上限。在用贴着上限时请求在排队，先找慢查询再加大。",
            en="Connections used, idle, and the limit. "
            "Used at the limit: requests queue; find the slow query before raising it.",
            unit="short",
            alert="PoolExhausted",
        ),
        lines(
            "最老事务 · Oldest transaction",
            Query("max(chuishao_database_oldest_transaction_seconds)", "最老 oldest"),
            zh="数据库里最老事务的年龄。长事务阻止清理，找到并结束它。",
            en="Age of the oldest transaction. A long one keeps PostgreSQL from cleaning up: find it and end it.",
            unit="s",
            warn=60,
            bad=600,
            alert="TransactionOld",
        ),
        lines(
            "数据库大小 · Database size",
            Query("sum by (service) (max by (service, table) (chuishao_database_bytes))", "{{service}}"),
            zh="各服务模式占用的字节，含索引。按增长估算磁盘，剩余不足一月时扩容。",
            en="Bytes of each schema with indexes. Reckon from its growth: less than a month left, add disk.",
            unit="bytes",
            stacked=True,
        ),
        bars(
            "最大的表 · Largest tables",
            Query("topk(12, max by (service, table) (chuishao_database_bytes))", "{{service}}.{{table}}"),
            zh="最大的十二张表。日志表最大是正常的；别的表领先时查是否没有清理。",
            en="The twelve largest tables. Logs lead by nature; if another does, see whether it is cleaned up.",
            unit="bytes",
            width=24,
        ),
    ],
)

ENGINES = Dashboard(
    "engines",
    "Kafka 与 PostgreSQL · Kafka and PostgreSQL",
    "提交的发得出去吗，发布的读得到吗，数据库还有余地吗。What is committed gets out, what is published gets read.",
    [READING, PUBLISHING, TRANSACTIONS, POSTGRESQL],
)
