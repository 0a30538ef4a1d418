"""The codes of an authenticator app."""

import base64
import hashlib
import hmac
import struct
import time

PERIOD = 30


def code(secret: str, *, periods_later: int = 0) -> str:
    """RFC 6238 with SHA-1, six digits, 30 seconds."""
    counter = struct.pack(">Q", int(time.time()) // PERIOD + periods_later)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    offset = digest[-1] & 15
    number: int = struct.unpack_from(">I", digest, offset)[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"
