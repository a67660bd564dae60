"""Who is asking: signed access tokens for people, API keys for systems. Every refusal says its reason."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

import yaml
from fastapi import Request
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import OctKey
from pydantic import BaseModel, ConfigDict

from shared.contracts.facts import Actor
from shared.contracts.vocabulary import ActorKind
from shared.runtime.decision import Refusal
from shared.runtime.problems import Refused

ISSUER = "chuishao"


class Identity(BaseModel):
    """The asker. `unit` is the unit they act for; a system such as 12345 has none of its own."""

    model_config = ConfigDict(frozen=True)

    kind: ActorKind
    person: str
    unit: str | None = None
    operator: bool = False

    @property
    def actor(self) -> Actor:
        return Actor(kind=self.kind, unit=self.unit, person=self.person)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A system's key; only its SHA-256 is stored."""

    name: str
    sha256: str
    identity: Identity
    expires: datetime | None = None


def issue(identity: Identity, key: str, now: datetime, lasting: timedelta) -> str:
    """A token for this identity, valid from `now` on."""
    claims = {
        "iss": ISSUER,
        "sub": identity.person,
        "iat": int(now.timestamp()),
        "exp": int((now + lasting).timestamp()),
        "kind": identity.kind.value,
        "unit": identity.unit,
        "operator": identity.operator,
    }
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(key))


def read_api_keys(path: Path) -> list[ApiKey]:
    """Read `api_keys.yaml`: a list of name, sha256, kind, unit, expires. Raises ValueError naming the entry."""
    if not path.exists():
        return []
    keys = []
    for number, entry in enumerate(yaml.safe_load(path.read_text(encoding="utf-8")) or [], start=1):
        try:
            keys.append(_api_key(entry))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: key {number}: {error!r}") from error
    return keys


def _api_key(entry: dict[str, object]) -> ApiKey:
    given = entry.get("expires")
    expires = datetime.fromisoformat(str(given)) if given else None
    if expires is not None and expires.tzinfo is None:
        raise ValueError(f"expires: {given} has no time zone; write it like 2027-01-01T00:00:00+08:00")
    digest = str(entry["sha256"]).lower()
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise ValueError("sha256: expected 64 hexadecimal digits in quotes")
    name, unit = str(entry["name"]), entry.get("unit")
    identity = Identity(kind=ActorKind(str(entry["kind"])), person=name, unit=None if unit is None else str(unit))
    return ApiKey(name, digest, identity, expires)


class Gatekeeper:
    """Tells who a request comes from, or refuses it with the reason."""

    def __init__(self, signing_key: str, api_keys: list[ApiKey], now: Callable[[], datetime] | None = None) -> None:
        self._key = OctKey.import_key(signing_key) if signing_key else None
        self._api_keys = api_keys
        self._now = now or (lambda: datetime.now(UTC))

    def identify(self, request: Request) -> Identity:
        """The identity behind `Authorization: Bearer …` or `X-API-Key`. Raises `Refused` (401)."""
        api_key = request.headers.get("x-api-key")
        if api_key:
            return self._by_api_key(api_key)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _refused(
                "no_credentials",
                "请求未带身份凭证：请在 Authorization 头中提供 Bearer 令牌，或在 X-API-Key 头中提供密钥。",
                "No credentials: send a bearer token in Authorization, or a key in X-API-Key.",
            )
        return self._by_token(token)

    def staff(self, request: Request, zh: str, en: str) -> Identity:
        """As `identify`, and anybody but staff is told so in these words (403)."""
        identity = self.identify(request)
        if identity.kind is not ActorKind.STAFF:
            raise forbidden("staff_only", zh, en)
        return identity

    def operator(self, request: Request, zh: str, en: str) -> Identity:
        """As `identify`, and anybody but an operator is told so in these words (403)."""
        identity = self.identify(request)
        if not identity.operator:
            raise forbidden("operators_only", zh, en)
        return identity

    def _by_token(self, token: str) -> Identity:
        if self._key is None:
            raise _refused(
                "no_signing_key",
                "服务未配置 CHUISHAO_SIGNING_KEY，无法核验令牌；请联系管理员。",
                "The service has no CHUISHAO_SIGNING_KEY and cannot check tokens; tell its operator.",
            )
        try:
            decoded = jwt.decode(token, self._key, algorithms=["HS256"])
            claims = decoded.claims
            jwt.JWTClaimsRegistry(
                now=int(self._now().timestamp()),
                leeway=0,
                iss={"essential": True, "value": ISSUER},
                exp={"essential": True},
                sub={"essential": True},
            ).validate(claims)
            return Identity(
                kind=claims["kind"],
                person=str(claims["sub"]),
                unit=claims.get("unit"),
                operator=bool(claims.get("operator")),
            )
        except ExpiredTokenError as error:
            raise _refused(
                "token_expired",
                "令牌已过期；请重新登录获取新令牌。",
                "The token has expired; sign in again for a new one.",
            ) from error
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise _refused(
                "token_invalid",
                "令牌无效（签名或内容不正确）；请重新登录获取新令牌。",
                "The token is not valid (wrong signature or content); sign in again for a new one.",
            ) from error

    def _by_api_key(self, presented: str) -> Identity:
        digest = sha256(presented.encode()).hexdigest()
        for known in self._api_keys:
            if compare_digest(known.sha256, digest):
                if known.expires is not None and known.expires <= self._now():
                    raise _refused(
                        "api_key_expired",
                        f"密钥 {known.name} 已过期；请联系管理员更换。",
                        f"The key {known.name} has expired; ask the operator for a new one.",
                    )
                return known.identity
        raise _refused("api_key_unknown", "密钥不正确；请核对 X-API-Key。", "The key is not known; check X-API-Key.")


def forbidden(code: str, zh: str, en: str) -> Refused:
    """The asker is known but may not do this."""
    return Refused(Refusal(code, zh, en, status=403))


def _refused(code: str, zh: str, en: str) -> Refused:
    return Refused(Refusal(code, zh, en, field="Authorization", status=401), {"WWW-Authenticate": "Bearer"})
