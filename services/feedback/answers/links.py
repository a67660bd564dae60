"""A resident's link: what it stands for, signed; whoever bears it may answer for that round, and do nothing else.

Its key is derived for this purpose alone, so a link is no access token and an access token no link. It holds no
personal data: the case's id, the round, and until when. It cannot be altered in any byte: what it says is signed
again and must come out as the very same text.
"""

import struct
from datetime import UTC, datetime
from hmac import compare_digest, digest
from uuid import UUID

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from services.feedback.domain.invitation import Invitation
from shared.runtime.decision import Refusal
from shared.runtime.problems import Refused

ALGORITHM = "HS256"
LONGEST_TOKEN = 110

_PURPOSE = b"chuishao: a resident's link, 1"
_PAYLOAD = struct.Struct(">16sHI")  # case id, round, until in seconds since 1970


class Links:
    """Makes links and reads them. Raises `Refused` (503) where the service has no signing key."""

    def __init__(self, signing_key: str, public_url: str) -> None:
        derived = digest(signing_key.encode(), _PURPOSE, "sha256") if signing_key else None
        self._key = OctKey.import_key(derived) if derived is not None else None
        self._base = public_url.rstrip("/")

    def link_for(self, case_id: UUID, round_number: int, until: datetime) -> str:
        """The address a resident is sent."""
        return f"{self._base}/answer/{self.token(Invitation(case_id=case_id, round=round_number, until=until))}"

    def token(self, invitation: Invitation) -> str:
        payload = _PAYLOAD.pack(invitation.case_id.bytes, invitation.round, int(invitation.until.timestamp()))
        return jws.serialize_compact({"alg": ALGORITHM}, payload, self._signing_key())

    def opened(self, token: str) -> Invitation | None:
        """What the link stands for, however old; None for whatever was not made here, without saying more."""
        key = self._signing_key()
        if len(token) > LONGEST_TOKEN:
            return None
        try:
            payload = jws.deserialize_compact(token, key, algorithms=[ALGORITHM]).payload
            case_id, number, until = _PAYLOAD.unpack(payload)
            invitation = Invitation(
                case_id=UUID(bytes=case_id), round=number, until=datetime.fromtimestamp(until, tz=UTC)
            )
        except (JoseError, ValueError, struct.error):
            return None
        return invitation if compare_digest(self.token(invitation).encode(), token.encode()) else None

    def _signing_key(self) -> OctKey:
        if self._key is None:
            raise Refused(_NO_KEY)
        return self._key


_NO_KEY = Refusal(
    "no_signing_key",
    zh="服务未配置 CHUISHAO_SIGNING_KEY，无法核验链接；请联系管理员。",
    en="The service has no CHUISHAO_SIGNING_KEY and cannot check links; tell its operator.",
    status=503,
)
