"""Who is asking: every way to be nobody is refused with its reason."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from fastapi import Request
from joserfc import jwt
from joserfc.jwk import OctKey

from shared.contracts.vocabulary import ActorKind
from shared.runtime.identity import ApiKey, Gatekeeper, Identity, issue, read_api_keys
from shared.runtime.problems import Refused

KEY = "k" * 43
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLERK = Identity(kind=ActorKind.STAFF, person="p-1", unit="310105")
SYSTEM = Identity(kind=ActorKind.HOTLINE, person="12345")
HOUR = timedelta(hours=1)


def gatekeeper(key: str = KEY, now: datetime = NOW) -> Gatekeeper:
    keys = [
        ApiKey("12345", sha256(b"secret").hexdigest(), SYSTEM),
        ApiKey("old", sha256(b"old").hexdigest(), SYSTEM, expires=NOW),
    ]
    return Gatekeeper(key, keys, lambda: now)


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw})


def token(algorithm: str = "HS256", key: str = KEY, **changes: object) -> str:
    claims = {"iss": "chuishao", "sub": "p-1", "iat": 0, "exp": NOW.timestamp() + 60, "kind": "staff", "unit": None}
    claims |= changes
    present = {name: value for name, value in claims.items() if value != "left out"}
    return jwt.encode({"alg": algorithm}, present, OctKey.import_key(key), algorithms=[algorithm])


def test_a_token_says_who_it_was_issued_to() -> None:
    operator = CLERK.model_copy(update={"operator": True})
    for identity in (CLERK, operator, SYSTEM):
        issued = issue(identity, KEY, NOW, HOUR)
        assert gatekeeper().identify(request(authorization=f"Bearer {issued}")) == identity


def test_a_key_says_whose_it_is() -> None:
    assert gatekeeper().identify(request(x_api_key="secret")) == SYSTEM


@pytest.mark.parametrize(
    ("after", "valid"), [(HOUR - timedelta(seconds=1), True), (HOUR + timedelta(seconds=1), False)]
)
def test_a_token_expires(after: timedelta, valid: bool) -> None:
    asked = request(authorization=f"Bearer {issue(CLERK, KEY, NOW, HOUR)}")
    if valid:
        assert gatekeeper(now=NOW + after).identify(asked) == CLERK
    else:
        assert refusal(gatekeeper(now=NOW + after), asked) == "token_expired"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "no_credentials"),
        ({"authorization": ""}, "no_credentials"),
        ({"authorization": "Bearer"}, "no_credentials"),
        ({"authorization": "Bearer "}, "no_credentials"),
        ({"authorization": f"Basic {token()}"}, "no_credentials"),
        ({"authorization": "Bearer rubbish"}, "token_invalid"),
        ({"authorization": "Bearer a.b.c"}, "token_invalid"),
        ({"authorization": "Bearer ä.ö.ü"}, "token_invalid"),
        ({"authorization": f"Bearer {token()[:-3]}abc"}, "token_invalid"),
        ({"authorization": f"Bearer {token(key='x' * 43)}"}, "token_invalid"),
        ({"authorization": f"Bearer {token('HS512')}"}, "token_invalid"),
        ({"authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJwLTEifQ."}, "token_invalid"),
        ({"authorization": f"Bearer {token(iss='other')}"}, "token_invalid"),
        ({"authorization": f"Bearer {token(sub='left out')}"}, "token_invalid"),
        ({"authorization": f"Bearer {token(exp='left out')}"}, "token_invalid"),
        ({"authorization": f"Bearer {token(kind='king')}"}, "token_invalid"),
        ({"authorization": f"Bearer {token(kind='left out')}"}, "token_invalid"),
        ({"authorization": f"Bearer {token(unit=7)}"}, "token_invalid"),
        ({"x_api_key": "guess"}, "api_key_unknown"),
        ({"x_api_key": "schlüssel"}, "api_key_unknown"),
        ({"x_api_key": "old"}, "api_key_expired"),
        ({"x_api_key": "guess", "authorization": f"Bearer {token()}"}, "api_key_unknown"),
    ],
)
def test_who_cannot_show_who_he_is_is_refused(headers: dict[str, str], code: str) -> None:
    assert refusal(gatekeeper(), request(**headers)) == code


def test_the_valid_token_of_these_tests_is_valid() -> None:
    assert gatekeeper().identify(request(authorization=f"Bearer {token()}")).person == "p-1"


def test_without_a_signing_key_no_token_is_believed() -> None:
    assert refusal(gatekeeper(key=""), request(authorization=f"Bearer {token()}")) == "no_signing_key"


def refusal(gate: Gatekeeper, asked: Request) -> str:
    with pytest.raises(Refused) as refused:
        gate.identify(asked)
    assert refused.value.refusal.status == 401
    assert refused.value.headers == {"WWW-Authenticate": "Bearer"}
    assert refused.value.refusal.zh
    return refused.value.refusal.code


# --- api_keys.yaml

DIGEST = sha256(b"secret").hexdigest()


def test_keys_are_read(tmp_path: Path) -> None:
    path = tmp_path / "api_keys.yaml"
    path.write_text(
        f"- {{name: '12345', sha256: '{DIGEST.upper()}', kind: hotline}}\n"
        f"- {{name: dept, sha256: '{DIGEST}', kind: staff, unit: '310105', expires: '2027-01-01T00:00:00+08:00'}}\n"
    )
    first, second = read_api_keys(path)

    assert first == ApiKey("12345", DIGEST, SYSTEM)
    assert (second.identity.unit, second.expires) == ("310105", datetime.fromisoformat("2027-01-01T00:00:00+08:00"))
    assert read_api_keys(tmp_path / "none.yaml") == []


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (f"{{sha256: '{DIGEST}', kind: staff}}", "name"),
        ("{name: a, kind: staff}", "sha256"),
        ("{name: a, sha256: 12345, kind: staff}", "64 hexadecimal digits"),
        (f"{{name: a, sha256: '{DIGEST}', kind: king}}", "king"),
        (f"{{name: a, sha256: '{DIGEST}', kind: staff, expires: 2027-01-01}}", "no time zone"),
    ],
)
def test_a_bad_key_is_named(tmp_path: Path, entry: str, why: str) -> None:
    path = tmp_path / "api_keys.yaml"
    path.write_text(f"- {entry}\n")

    with pytest.raises(ValueError, match="key 1") as error:
        read_api_keys(path)
    assert why in str(error.value)
