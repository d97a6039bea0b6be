# webhook.py
import base64
import hashlib
import hmac
import json
import os
import re
import sys
import threading
import time

LARGEST = 64 * 1024  # bytes of a body
TOLERANCE = 5 * 60  # seconds between two clocks
REMEMBERED = 10_000  # ids; a site with a database keeps those of 30 days


def verify(secrets, headers, body):
    """Return the event, or raise. A TypeError is a mistake in this backend.

    secrets is one secret, or two with a space between them.
    """
    if not isinstance(body, bytes):
        raise TypeError(
            "verify needs the raw body, and this body was parsed: its bytes are lost. In FastAPI, read request.stream() "
            "or await request.body(), and declare no body. In Flask, use request.get_data(). In Django, use request.body."
        )
    try:
        keys = [base64.b64decode(one.removeprefix("whsec_"), validate=True) for one in secrets.split()]
    except ValueError:
        keys = []
    if not keys or min(len(key) for key in keys) < 24:
        raise TypeError("WEBHOOK_SECRET has no secret: it needs whsec_… of this endpoint.")
    id, timestamp, signatures = (headers.get("webhook-" + name) for name in ("id", "timestamp", "signature"))
    if not id or not timestamp or not signatures:
        raise ValueError("A header of the signature is missing.")
    if not re.fullmatch("[0-9]{1,12}", timestamp) or abs(time.time() - int(timestamp)) > TOLERANCE:
        raise ValueError("The timestamp is more than 5 minutes away.")
    matches = []
    for key in keys:
        digest = hmac.new(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
        expected = b"v1," + base64.b64encode(digest)
        matches += [hmac.compare_digest(expected, one.encode()) for one in signatures.split()]
    if not any(matches):
        raise ValueError("No signature matches: is WEBHOOK_SECRET of this endpoint, and is the body unchanged?")
    return json.loads(body)


seen = {}
turn = threading.Lock()


def receive(headers, body):
    """Return the status and the text of the answer to a delivery. It acts once on each id."""
    try:
        event = verify(os.environ.get("WEBHOOK_SECRET", ""), headers, body)
    except (TypeError, ValueError) as mistake:
        print("webhook:", mistake, file=sys.stderr, flush=True)
        # Timbre sends again after 500, when your mistake is corrected. It does not after 400.
        return 500 if isinstance(mistake, TypeError) else 400, str(mistake)
    id = headers["webhook-id"]
    with turn:
        if id not in seen:
            seen[id] = True
            if len(seen) > REMEMBERED:
                del seen[next(iter(seen))]  # the oldest
            # Here put the event in your queue. Do not log it whole: it can have an access code.
            print("webhook:", event["event"], event.get("ats_id") or "", flush=True)
    return 200, "ok"
