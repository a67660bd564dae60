"""The policy and the catalogue's limits as parts of the set-up: how a file of each becomes a version in force."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from services.sla.domain import category_limits, policy
from services.sla.domain.category_limits import CategoryLimits
from services.sla.domain.category_limits_file import read_category_limits
from services.sla.domain.policy import Policies, said
from services.sla.domain.policy_file import PolicyFile, doubts, read_policy_file
from shared.contracts.faults import Fault, SetupInvalid
from shared.runtime.district import Kind
from shared.runtime.setup_parts import Before, File, Prepared, changed


def _policies(stored: bytes) -> Policies:
    policies = policy.from_json(stored)
    _ = policies.current.lookup  # built here, so that no batch waits for it
    return policies


def _category_limits(stored: bytes) -> CategoryLimits:
    limits = category_limits.from_json(stored)
    _ = limits.lookup
    return limits


POLICY: Kind[Policies] = Kind("policy", _policies)
CATEGORY_LIMITS: Kind[CategoryLimits] = Kind("category_limits", _category_limits)


def prepare_policy(file: File, before: Before, _today: date) -> Prepared:
    """Raises `SetupInvalid`."""
    if file.format != "yaml":
        raise SetupInvalid([Fault("限时规则须为 YAML 文件", "a policy is read from YAML", file=file.name)])
    read = read_policy_file(file.text, file.name)
    old, new = before.of(POLICY), read.policy
    try:
        after = Policies(new) if old is None else old.after(new)
    except SetupInvalid as reused:
        raise SetupInvalid(map(read.placed, reused.faults)) from None
    differs = changed(said(old.current) if old is not None else {}, said(new))
    return Prepared(new.version, policy.to_json(after), differs, tuple(_doubts(read, old)))


def _doubts(read: PolicyFile, old: Policies | None) -> Iterator[Fault]:
    yield from doubts(read)
    if old is not None and old.current.rehearsal != read.policy.rehearsal:
        yield read.placed(
            Fault(
                "演练与正式限时互换；请核对是否导入了正确的文件",
                "this changes between rehearsal and real limits; check that it is the right file",
                "rehearsal",
            )
        )


def prepare_category_limits(file: File, before: Before, today: date) -> Prepared:
    """Raises `SetupInvalid`. A version is named by the day it was imported."""
    if file.format != "csv":
        raise SetupInvalid([Fault("目录限时须为 CSV 文件", "the catalogue's limits are read from CSV", file=file.name)])
    after = read_category_limits(file.text, today.isoformat(), file.name)
    old = before.of(CATEGORY_LIMITS)
    if old is not None and old.entries == after.entries:
        after = replace(after, version=old.version)
    differs = changed(_rows(old), _rows(after))
    return Prepared(after.version, category_limits.to_json(after), differs)


def _rows(limits: CategoryLimits | None) -> dict[str, object]:
    return {f"{one.code} {one.name}": one for one in limits.entries} if limits is not None else {}
