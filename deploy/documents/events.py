"""docs/reference/events.md, from the facts: type, meaning, fields."""

import inspect
import types
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Union, get_args, get_origin

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from deploy.documents.facts import SUBJECTS, facts_on
from deploy.documents.markdown import code, one_line, table
from deploy.documents.markdown import page as whole_page
from deploy.documents.words import chinese, enumerations
from shared.contracts import facts as f

INTRODUCTION = """\
An event says what has happened, in the field's words. Its data is described here; around it lies a CloudEvents 1.0
envelope. Changes are additive only: a field is never removed and never gets another meaning, and **readers ignore
fields and values they do not know**. Machine-readable: [schemas](schemas/), [asyncapi.yaml](asyncapi.yaml).
What we publish carries every field; one that is not required may be missing in events older than it, and in yours."""

ENVELOPE = (
    ("specversion", "`1.0`"),
    ("id", "the event's own; a repeat carries the same"),
    ("source", "who says it: `/chuishao/<service>`; a unit or another system names itself"),
    ("type", "which fact, with its version: the headings below"),
    ("subject", "the case id (UUID)"),
    ("time", "when it was recorded, by the database's clock, with its offset"),
    ("datacontenttype", "`application/json`"),
    ("sequence", "its number in its shard of the log: 19 digits, so that it sorts as text; on the logs only"),
    ("caseseq", "its number among the case's events in that log, from 1; outsiders see gaps, but never a step back"),
    ("cause", "the id of the event or command that led to it"),
    ("traceparent", "W3C trace context, where there is one"),
    ("data", "the fact itself"),
)
VALUES = tuple(one for one in f.Value.__subclasses__() if one is not f.Fact and one.__module__ == f.__name__)


def page() -> str:
    blocks = [
        "## The envelope",
        table(("attribute", "meaning"), [(code(name), meaning) for name, meaning in ENVELOPE]),
    ]
    for topic in SUBJECTS:
        blocks.append(f"## {code(topic)}")
        for fact in facts_on(topic):
            blocks += [f"### {fact.type_name()}", one_line(fact.__doc__), _fields(fact)]
    blocks.append("## Values within events")
    for value in VALUES:
        blocks += [f"### {value.__name__}", one_line(value.__doc__), _fields(value)]
    blocks.append("## Closed sets")
    for enumeration in enumerations():
        blocks += [f"### {enumeration.__name__}", _words(enumeration)]
    return whole_page("Events · 事件", "shared/contracts/facts.py", INTRODUCTION, *blocks)


def _words(enumeration: type[StrEnum]) -> str:
    terms = chinese(enumeration)
    listed = table(("value", "中文"), [(code(one.value), terms[one.value]) for one in enumeration])
    said = one_line(vars(enumeration).get("__doc__"))
    return f"{said}\n\n{listed}" if said else listed


def _fields(model: type[BaseModel]) -> str:
    if not model.model_fields:
        return "No fields: that it happened is all there is to say."
    rows = [
        (code(name), described(field.annotation, field), "yes" if field.is_required() else "", _meaning(field))
        for name, field in model.model_fields.items()
    ]
    return table(("field", "type", "required", "meaning"), rows)


def _meaning(field: FieldInfo) -> str:
    if field.description:
        return field.description
    if field.is_required() or field.default in (None, "", ()):
        return ""
    return f"{code(str(field.default).lower())} where left out"


def described(annotation: Any, field: FieldInfo | None = None) -> str:
    """A type in words; what is a page's own heading links to it."""
    if get_origin(annotation) is Annotated:
        return described(get_args(annotation)[0]) + _limits(get_args(annotation)[1:])
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(described(one) for one in get_args(annotation))
    if get_origin(annotation) is tuple:
        return f"list of {described(get_args(annotation)[0])}"
    limits = _limits(field.metadata) if field is not None else ""
    return _named(annotation) + limits


def _named(annotation: Any) -> str:
    if annotation is type(None):
        return "null"
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel | StrEnum):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    plain = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "UUID": "UUID"}
    name: str = annotation.__name__
    times = {"datetime": "date and time with offset", "timedelta": "length of time (ISO 8601)"}
    return {**plain, **times, "AwareDatetime": times["datetime"]}.get(name, name)


def _limits(metadata: Any) -> str:
    said = ", ".join(_limit_words(list(_flat(metadata))))
    return f" ({said})" if said else ""


def _flat(metadata: Any) -> Iterator[Any]:
    for one in metadata:
        yield from one.metadata if isinstance(one, FieldInfo) else (one,)


def _limit_words(metadata: list[Any]) -> Iterator[str]:
    for one in metadata:
        match one:
            case MinLen(min_length=least):
                yield f"at least {least} characters"
            case MaxLen(max_length=most):
                yield f"at most {most} characters"
            case Ge(ge=least):
                yield f"from {least}"
            case Le(le=most):
                yield f"to {most}"
