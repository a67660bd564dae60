"""The field's words as closed sets. One word per idea; the comment is the field's own term."""

from enum import StrEnum


class Source(StrEnum):
    """Where a whistle comes from."""

    COMMUNITY = "community"  # 社区
    COMPOUND = "compound"  # 小区
    GRID = "grid"  # 网格员
    HOTLINE_12345 = "hotline_12345"  # 12345 热线
    RESIDENT = "resident"  # 居民点单
    RIDER = "rider"  # 新就业群体, 小哥吹哨
    SUGGESTION_BOX = "suggestion_box"  # 人民建议征集
    PETITION = "petition"  # 信访
    VISIT = "visit"  # 两代表一委员下访
    OPEN311 = "open311"


class AppealType(StrEnum):
    CONSULT = "consult"  # 咨询
    HELP = "help"  # 求助
    COMPLAINT = "complaint"  # 投诉
    REPORT = "report"  # 举报
    SUGGESTION = "suggestion"  # 建议
    PRAISE = "praise"  # 表扬
    OTHER = "other"  # 其他


class Urgency(StrEnum):
    CRITICAL = "critical"  # 特急
    URGENT = "urgent"  # 紧急
    NORMAL = "normal"  # 一般
    COMPLEX = "complex"  # 复杂

    def is_stricter_than(self, other: "Urgency") -> bool:
        """Whether its limits are shorter: the strictest stands first, `complex` has the longest."""
        order = list(Urgency)
        return order.index(self) < order.index(other)


class UnitKind(StrEnum):
    HUB = "hub"  # 区级治理/指挥中心, 12345 分中心
    STREET = "street"  # 街道、镇、乡
    COMMUNITY = "community"  # 社区、村
    COMPOUND = "compound"  # 小区
    GRID = "grid"  # 网格
    BUILDING = "building"  # 楼栋
    DEPARTMENT = "department"  # 委办局
    UTILITY = "utility"  # 公服企业


class Level(StrEnum):
    """Who a decision gives a case to: the rungs of the dispatch ladder."""

    COMMUNITY = "community"  # 社区自办
    STREET = "street"  # 属地街道先报到
    HUB = "hub"  # 区兜底
    DEPARTMENT = "department"  # 部门报到


class Stage(StrEnum):
    """Where a case stands. `lifecycle.py` says what may follow what."""

    RECEIVED = "received"  # 已接收
    VERIFYING = "verifying"  # 待核实
    DECLINED = "declined"  # 不予受理
    MERGED = "merged"  # 已并案
    WITHDRAWN = "withdrawn"  # 已撤单
    TO_DISPATCH = "to_dispatch"  # 待派单
    DISPATCHED = "dispatched"  # 已派单，待签收
    REFUSAL_REVIEW = "refusal_review"  # 退单审核
    CONSULTATION = "consultation"  # 会商
    HANDLING = "handling"  # 办理中
    EXTENSION_REVIEW = "extension_review"  # 延期、挂账审批
    SUSPENDED = "suspended"  # 挂账
    HANDLED = "handled"  # 已办结
    CHECKING = "checking"  # 待核查（验单）
    RATING = "rating"  # 待评价（评单）
    REWORK = "rework"  # 返工 / 重办
    CLOSED = "closed"  # 结案销号
    ARCHIVED = "archived"  # 归档


class Role(StrEnum):
    LEAD = "lead"  # 牵头
    CO_HANDLER = "co_handler"  # 协办


class CaseList(StrEnum):
    """三单: which list a case that reached the hub stands on."""

    IMMEDIATE = "immediate"  # 即办清单
    PHASED = "phased"  # 阶段性事项清单
    UNDERSTANDING = "understanding"  # 谅解清单


class Ledger(StrEnum):
    """五类台账: the ledger in which a case is written off."""

    ON_THE_SPOT = "on_the_spot"  # 即办件
    FIXED_DEADLINE = "fixed_deadline"  # 限时件
    SPECIAL = "special"  # 特办件
    FROM_ABOVE = "from_above"  # 承办件
    ON_BEHALF = "on_behalf"  # 代办件


class Obligation(StrEnum):
    """What somebody owes by a deadline."""

    ACCEPT = "accept"  # 受理
    DISPATCH = "dispatch"  # 派单
    SIGN_IN = "sign_in"  # 签收 / 报到
    RULE_ON_REFUSAL = "rule_on_refusal"  # 退单审核
    RULE_ON_REQUEST = "rule_on_request"  # 延期、挂账审批
    DESIGNATE = "designate"  # 会商指定
    FIRST_CONTACT = "first_contact"  # 首次联系
    HANDLE = "handle"  # 办结
    MILESTONE = "milestone"  # 阶段性事项的节点
    REVIEW = "review"  # 挂账、谅解事项的复核日
    CHECK = "check"  # 核查
    RATE = "rate"  # 评价
    ARCHIVE = "archive"  # 归档


class DispatchCause(StrEnum):
    """Why units were given a case, or lost it."""

    RULE = "rule"  # 规则派单
    DESK = "desk"  # 区兜底派单
    REFUSAL_UPHELD = "refusal_upheld"  # 退单成立，改派
    DESIGNATED = "designated"  # 会商指定
    TRANSFERRED = "transferred"  # 转办
    JOINED = "joined"  # 增加协办
    RELEASED = "released"  # 解除协办
    LEAD_CHANGED = "lead_changed"  # 变更牵头
    SUCCEEDED = "succeeded"  # 机构调整，由继任单位承接
    ESCALATED = "escalated"  # 提级办理


class RequestKind(StrEnum):
    """What a unit may ask for that costs the resident time."""

    EXTENSION = "extension"  # 延期
    SUSPENSION = "suspension"  # 挂账


class ResumeCause(StrEnum):
    """Why a suspended case goes on."""

    REVIEW_DATE = "review_date"  # 到复核日
    ORDERED = "ordered"  # 提前恢复办理


class DeclineReason(StrEnum):
    """不予受理: why a whistle is not accepted."""

    OUTSIDE_JURISDICTION = "outside_jurisdiction"  # 不属于本辖区职责
    EMERGENCY_SERVICE = "emergency_service"  # 应拨打 110/119/120/122
    IN_LEGAL_PROCEDURE = "in_legal_procedure"  # 已进入诉讼、复议、信访、纪检程序
    REPEATED = "repeated"  # 同一事实重复提出且无新理由
    UNTRUE = "untrue"  # 经核实不属实


class ReworkCause(StrEnum):
    CHECK_FAILED = "check_failed"  # 核查不通过，返工
    RESIDENT_UNSATISFIED = "resident_unsatisfied"  # 居民不满意或未解决，重办
    HUB_ORDERED = "hub_ordered"  # 区级治理中心责令重办


class Satisfaction(StrEnum):
    SATISFIED = "satisfied"  # 满意
    BASICALLY_SATISFIED = "basically_satisfied"  # 基本满意
    UNSATISFIED = "unsatisfied"  # 不满意


class ActorKind(StrEnum):
    """Who acted: a person of a unit, a resident, another system, or the system itself."""

    STAFF = "staff"
    RESIDENT = "resident"
    HOTLINE = "hotline"
    RULE = "rule"
    CLOCK = "clock"


class LimitCause(StrEnum):
    """Why a limit is what it is now."""

    CASE = "case"  # 随办理进程而定
    POLICY = "policy"  # 限时规则变更，经申请适用于在办
    CALENDAR = "calendar"  # 工作日历变更，重新计算


class RungChange(StrEnum):
    """What a rung of the escalation ladder changes besides who is told."""

    SUPERVISE = "supervise"  # 列入督办
    TAKE_OVER = "take_over"  # 提级办理：由上级单位接办


class Post(StrEnum):
    """Which of a unit's people is told."""

    DUTY = "duty"  # 值班、经办人员
    LEADER = "leader"  # 单位负责人
    DISTRICT_LEADER = "district_leader"  # 区领导，由区级治理中心转报


class Measure(StrEnum):
    """What is measured of a unit (考核指标)."""

    SIGN_IN = "sign_in"  # 按时签收率
    REPORT = "report"  # 按时报到率
    FIRST_CONTACT = "first_contact"  # 按时联系率
    HANDLE = "handle"  # 按期办结率
    WRITE_OFF = "write_off"  # 销号率
    REFUSAL = "refusal"  # 退单率
    REWORK = "rework"  # 返工率
    EXTENSION = "extension"  # 延期率
    SUPERVISION = "supervision"  # 督办率
    RATED = "rated"  # 评价率
    RATING = "rating"  # 吹哨单位评价
    RESPONSE = "response"  # 响应率
    SOLVED = "solved"  # 解决率
    SATISFIED = "satisfied"  # 满意率
    COMPOSITE = "composite"  # 综合得分
    SCORE = "score"  # 季度参考得分


class SurgeKind(StrEnum):
    """诉求激增: what the whistles of a surge have in common."""

    PLACE = "place"  # 同一地点
    RESPONDENT = "respondent"  # 同一被反映单位
    CATEGORY = "category"  # 同一区域同类诉求
