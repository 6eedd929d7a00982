"""Verifies every DKIM signature of the message on standard input, by dkimpy and the records given."""
import json, sys
import dkim

records = {name + ".": value for name, value in json.loads(sys.argv[1]).items()}


def dnsfunc(name, timeout=5):
    text = name.decode() if isinstance(name, bytes) else name
    return records.get(text, "").encode() or None


message = sys.stdin.buffer.read()
verifier = dkim.DKIM(message)
count = sum(1 for name, _ in verifier.headers if name.lower() == b"dkim-signature")
verdicts = []
for index in range(count):
    try:
        verdicts.append("pass" if verifier.verify(index, dnsfunc=dnsfunc) else "fail")
    except dkim.DKIMException as error:
        verdicts.append("fail")
print(json.dumps(verdicts))
