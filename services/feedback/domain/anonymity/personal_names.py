"""Names of persons, told by what stands around them: a title after, a cue before, a phone or a verb behind.

There is no list of all names. A surname with one or two characters after it is taken for a name where something
beside it says so; what was once found is then found wherever it is said again.
"""

import re
from collections.abc import Iterable, Iterator

from services.feedback.domain.anonymity.found import Found, Kind
from services.feedback.domain.anonymity.shadow import Shadow
from services.feedback.domain.anonymity.surnames import (
    COMMON,
    COMPOUND,
    CUES,
    FOLLOWING,
    NOT_IN_NAMES,
    RARE,
    SURE_CUES,
    TITLES,
    USUAL,
    WORDS,
)

_HAN = r"[\u4e00-\u9fff\u3400-\u4dbf]"
_AND = "、和与及跟"
_PLACES = tuple("镇乡村街路区县市湾港")
_APART = " \t\u3000.·•・*_-—"
"""What may be put between the characters of a name to disguise it."""


def _any_of(words: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, set(words)), key=len, reverse=True))


_TITLE = re.compile(rf"(?:{_any_of(TITLES)})")
_CUE = re.compile(rf"(?:{_any_of([*CUES, *SURE_CUES])})")
_SURE = re.compile(rf"(?:{_any_of(SURE_CUES)})$")
_SET_OFF = re.compile(r"(?:姓名|名字)?[\s:是为叫,，(（「“\"'-]{0,4}")
_SIGN = re.compile(r"[:是为叫(（「“\"]")
_FOLLOWED = re.compile(rf"(?:{_any_of([*FOLLOWING, *TITLES])}|[两二三四五六七八九十几]人)")
_FOREIGN = re.compile(rf"{_HAN}{{2,8}}(?:[·•・]{_HAN}{{1,8}}){{1,3}}")
_SEX = re.compile(r"\s{0,2}[,，、(（\s]\s{0,2}[男女](?![儿朋士生孩子])|\s{0,2}[,，、(（\s]?\s{0,2}[0-9]{1,3}周?岁")
_VERB = re.compile(
    r"\s{0,2}[,，]?\s{0,2}(?:[(（]\s{0,2}身份证|[两二三四五六七八九十几0-9]{1,2}人(?!民|员)|反映|多次|来电|投诉|举报|反馈|致电|声称|表示|家住|家中|住在|居住|现住|本人|身份证|电话|手机|的电话|的手机|微信|"
    r"夫妇|夫妻|一家|等人|出生|诉求|咨询|求助|私自|擅自|长期|每天)"
)
_SURNAMED = re.compile(rf"姓(?P<name>{_HAN})(?=的|,|，|。|先|女|$|\s)")
_BEFORE_NUMBER = re.compile(r"(?:的|联系|电话|手机|号码|号|微信|是|为|tel|[\s:,，、(（/\-]){0,6}$")


def find_names(shadow: Shadow, numbers: Iterable[Found]) -> list[Found]:
    """Names in a text whose numbers have been found."""
    found = [
        *_before_titles(shadow),
        *_after_cues(shadow),
        *_by_what_follows(shadow),
        *_before_numbers(shadow, numbers),
        *(
            Found(*match.span("name"), Kind.NAME, "某")
            for match in _SURNAMED.finditer(shadow.plain)
            if match["name"] not in "某名氏"
        ),
    ]
    found += _beside(shadow.plain, found)
    return [*found, *_again(shadow.plain, found)]


def _before_titles(shadow: Shadow) -> Iterator[Found]:
    """张伟先生, 王女士, 欧阳老师."""
    text = shadow.plain
    for title in _TITLE.finditer(text):
        end = _left_of(text, title.start())
        start = _start_of_name(text, end, alone=True)
        if start is not None:
            yield Found(start, title.start(), Kind.NAME, "某")


def _before_numbers(shadow: Shadow, numbers: Iterable[Found]) -> Iterator[Found]:
    """张伟 138…: a name before a phone or an identity number."""
    text = shadow.plain
    for number in numbers:
        if number.kind not in (Kind.PHONE, Kind.IDENTITY, Kind.NUMBER, Kind.ACCOUNT):
            continue
        reach = max(0, number.start - 16)
        led = _BEFORE_NUMBER.search(text, reach, number.start)
        end = _left_of(text, led.start() if led else number.start)
        start = _start_of_name(text, end, alone=False)
        if start is not None and text[start : start + 2] not in WORDS:
            yield Found(start, end, Kind.NAME)


def _by_what_follows(shadow: Shadow) -> Iterator[Found]:
    """王小明反映, 王小明（男: a name where a sentence begins, before what persons do."""
    text = shadow.plain
    for pattern, sentence_begins in ((_SEX, False), (_VERB, True)):
        for following in pattern.finditer(text):
            end = following.start()
            start = _start_of_name(text, end, alone=False)
            if start is None or text[start : start + 2] in WORDS:
                continue
            if (
                not sentence_begins
                or start == 0
                or not _is_han(text[start - 1])
                or text[start - 1] in "由是叫为经据和与及跟"
            ):
                yield Found(start, end, Kind.NAME)


def _after_cues(shadow: Shadow) -> Iterator[Found]:
    """联系人：张伟, 业主张伟在…."""
    text = shadow.plain
    place = 0
    while cue := _CUE.search(text, place):
        place = cue.end()
        set_off = _SET_OFF.match(text, cue.end())
        start = set_off.end() if set_off else cue.end()
        signed = bool(_SIGN.search(text, cue.end(), start))
        end = _end_of_name(text, start, sure=bool(_SURE.search(cue.group())) and signed, set_off=signed)
        if end is not None:
            yield Found(start, end, Kind.NAME)
            place = end


def _end_of_name(text: str, start: int, *, sure: bool, set_off: bool) -> int | None:
    """Where the name that begins here ends; None where there is none. `sure`: whatever stands here is a name."""
    foreign = _FOREIGN.match(text, start)
    if foreign:
        return foreign.end()
    letters = _letters(text, start, 4)
    if len(letters) < 2 or letters[1][1] in ("某", "×"):
        return None
    surname = "".join(letter for _, letter in letters[:2]) in COMPOUND
    first, pair = letters[0][1], letters[0][1] + letters[1][1]
    longest = 4 if surname or (sure and first not in COMMON) else 3
    end = letters[:longest][-1][0] + 1
    if sure:
        return end
    if pair in WORDS or text[end : end + 1] in _PLACES:
        return None
    by_itself = end == len(text) or not _is_han(text[end])
    stopped = by_itself or len(letters) < longest or bool(_FOLLOWED.match(text, end)) or text[end] in NOT_IN_NAMES
    if surname:
        return end if len(letters) > 2 or set_off else None
    known = first in USUAL or (first in COMMON and stopped) or (first in RARE and by_itself)
    return end if known else None


def _letters(text: str, start: int, most: int) -> list[tuple[int, str]]:
    """The characters a name may be made of from here on, each with its place; little may stand between them."""
    letters: list[tuple[int, str]] = []
    place = start
    while len(letters) < most and place < len(text):
        character = text[place]
        if _is_han(character):
            if character in NOT_IN_NAMES or (letters and _FOLLOWED.match(text, place)):
                break
            letters.append((place, character))
        elif not (letters and character in _APART and place - letters[-1][0] <= 2):
            break
        place += 1
    return letters


def _start_of_name(text: str, end: int, *, alone: bool) -> int | None:
    """Where the name that ends here begins. `alone`: a surname by itself is one, too."""
    letters: list[tuple[int, str]] = []
    place = end - 1
    while place >= 0 and len(letters) < 4:
        character = text[place]
        if _is_han(character) and (character not in NOT_IN_NAMES):
            letters.append((place, character))
        elif not (letters and character in _APART and letters[-1][0] - place <= 2):
            break
        place -= 1
    for length in (4, 3, 2, 1) if alone else (4, 3, 2):
        if length <= len(letters) and _is_name(text, letters[:length][::-1], length):
            return letters[length - 1][0]
    return None


def _is_name(text: str, letters: list[tuple[int, str]], length: int) -> bool:
    first, name = letters[0][1], "".join(letter for _, letter in letters)
    if name[:2] in COMPOUND:
        return length >= 2
    if length == 4 or name[:2] in WORDS or name in WORDS:
        return False
    if first in COMMON:
        return True
    before = text[letters[0][0] - 1] if letters[0][0] > 0 else ""
    return first in RARE and not _is_han(before)


def _left_of(text: str, place: int) -> int:
    """The place after the last character before here that is not a blank."""
    floor = max(0, place - 3)
    while place > floor and text[place - 1] in _APART:
        place -= 1
    return place


def _beside(text: str, found: Iterable[Found]) -> list[Found]:
    """张伟、李娜和王芳: names in a list with one that was found, from one to the next."""
    known = {(one.start, one.end) for one in found}
    waiting, more = list(known), []
    while waiting:
        start, end = waiting.pop()
        left, right = text[start - 1 : start], text[end : end + 1]
        before = _start_of_name(text, start - 1, alone=False) if left and left in _AND else None
        after = _end_of_name(text, end + 1, sure=False, set_off=True) if right and right in _AND else None
        for place in ((before, start - 1), (end + 1, after)):
            if place[0] is not None and place[1] is not None and (place[0], place[1]) not in known:
                known.add((place[0], place[1]))
                waiting.append((place[0], place[1]))
                more.append(Found(place[0], place[1], Kind.NAME))
    return more


def _again(text: str, found: Iterable[Found]) -> Iterator[Found]:
    """The same names said again, anywhere in the text."""
    names = {text[one.start : one.end] for one in found}
    names = {name for name in names if 2 <= len(name) <= 8 and name not in WORDS and all(map(_is_han, name))}
    for length in sorted({len(name) for name in names}):
        for place in range(len(text) - length + 1):
            if text[place : place + length] in names:
                yield Found(place, place + length, Kind.NAME)


def _is_han(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff" or "\u3400" <= character <= "\u4dbf"
