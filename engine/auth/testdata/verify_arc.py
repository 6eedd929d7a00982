"""Verifies the ARC chain of the message on standard input, by dkimpy and the records given."""
import json, sys
import dkim

records = {name + ".": value for name, value in json.loads(sys.argv[1]).items()}


def dnsfunc(name, timeout=5):
    text = name.decode() if isinstance(name, bytes) else name
    return records.get(text, "").encode() or None


cv, results, reason = dkim.arc_verify(sys.stdin.buffer.read(), dnsfunc=dnsfunc)
print(json.dumps({"cv": cv.decode(), "reason": reason}))
