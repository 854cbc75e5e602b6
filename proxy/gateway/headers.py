"""Which headers of a request pass, which are recorded, which are ours: one table, looked up once per name.

To the upstream everything passes as it came, in order and spelling, but for hop-by-hop headers, ``Host`` and framing
(the upstream client sets those), ``Expect``, our own ``x-dashcam-*``, and what speaks to other gateways (unless the
provider is one). Nothing is added. What is recorded, of a request and of a reply (``reply_head``), is an allow-list;
credentials are never on it.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from proxy.gateway.client_head import Headers
from proxy.protocol.remembering import remembered
from proxy.protocol.tagging import is_for_gateways, is_understood

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authorization proxy-authenticate te trailer transfer-encoding"
    b" upgrade".split()
)
_OURS_TO_SET = frozenset(b"host content-length expect".split())
CREDENTIALS = frozenset(
    b"authorization api-key x-api-key x-goog-api-key ocp-apim-subscription-key x-auth-token cookie"
    b" openai-organization openai-project".split()
)
"""Whose call it is: all of these are the client's, or none, where a configured key takes their place."""
CREDENTIAL_MEMBERS = frozenset(b"key api-key api_key apikey access_token subscription-key".split())
"""The same in a query."""
_RECORDED = frozenset(
    b"content-type content-encoding user-agent accept idempotency-key x-client-request-id traceparent tracestate"
    b" http-referer x-title retry-after retry-after-ms x-should-retry x-request-id x-generation-id apim-request-id"
    b" cf-ray x-dashcam-error".split()
)
_RECORDED_PREFIXES = (b"openai-", b"x-stainless-", b"x-ratelimit-", b"x-ms-")

_DROP, _RECORD, _CREDENTIAL, _CONNECTION, _ENCODING, _GATEWAY, _TAG = 1, 2, 4, 8, 16, 32, 64
_rules: dict[bytes, int] = {}
_MAX_CACHED = 4096
_LONGEST_NAME = 64

Recorded = tuple[tuple[str, str], ...]


def is_recorded(name: bytes) -> bool:
    """Return True for a header (in lower case) that is kept with the call."""
    return name in _RECORDED or name.startswith(_RECORDED_PREFIXES) or is_understood(name.decode("latin-1"))


def _request_rule(raw: bytes) -> int:
    name = raw.lower()
    rule = 0
    if name in HOP_BY_HOP or name in _OURS_TO_SET or name.startswith(b"x-dashcam-"):
        rule |= _DROP
    if is_recorded(name):
        rule |= _RECORD
    if name in CREDENTIALS:
        rule |= _CREDENTIAL
    if name.startswith(b"x-dashcam-") or is_understood(name.decode("latin-1")):
        rule |= _TAG
    if is_for_gateways(name.decode("latin-1")):
        rule |= _GATEWAY
    if name == b"connection":
        rule |= _CONNECTION
    if name == b"accept-encoding":
        rule |= _ENCODING
    if len(_rules) < _MAX_CACHED and len(raw) <= _LONGEST_NAME:
        _rules[raw] = rule
    return rule


def request_headers(
    headers: Headers, *, drop_credentials: bool, plain_answer: bool, to_gateway: bool = False
) -> tuple[Headers, Recorded]:
    """Return (what goes upstream, what is recorded); ``plain_answer`` asks for an uncompressed answer.

    ``to_gateway``: the upstream is a gateway of the kind that other gateways' headers speak to.
    """
    drops = _DROP | _CREDENTIAL * drop_credentials | _GATEWAY * (not to_gateway)
    passed: Headers = []
    recorded = []
    named: frozenset[bytes] = frozenset()
    for item in headers:
        name, value = item
        rule = _rules.get(name)
        if rule is None:
            rule = _request_rule(name)
        if rule & _RECORD:
            recorded.append((name.decode("latin-1").lower(), value.decode("latin-1")))
        if rule & _CONNECTION:
            named |= named_by(value)
        if rule & drops:
            continue
        passed.append((name, b"identity") if plain_answer and rule & _ENCODING else item)
    if named:
        passed = [item for item in passed if item[0].lower() not in named]
    return passed, tuple(recorded)


def without_credentials(target: bytes) -> bytes:
    """Return a request target without the members of its query that are the caller's key."""
    path, mark, query = target.partition(b"?")
    if not mark:
        return target
    members = query.split(b"&")
    kept = [item for item in members if unquote_to_bytes(item.partition(b"=")[0]).lower() not in CREDENTIAL_MEMBERS]
    if len(kept) == len(members):
        return target
    return path + b"?" + b"&".join(kept) if kept else path


def has_tags(headers: Headers) -> bool:
    """Return True when a header says something about the call to us; ask after ``request_headers``."""
    return any(_rules.get(name, _TAG) & _TAG for name, _ in headers)


@remembered(256)
def named_by(value: bytes) -> frozenset[bytes]:
    """Return the names a ``Connection`` header declares hop-by-hop, beyond its own words."""
    return frozenset(token.strip().lower() for token in value.split(b",")) - {b"keep-alive", b"close", b""}
