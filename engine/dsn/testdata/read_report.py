"""Reads a message from standard input and tells, as JSON, how Python's email package sees it."""

import email
import email.policy
import json
import sys

octets = sys.stdin.buffer.read()
message = email.message_from_bytes(octets, policy=email.policy.default)
parts = []
for part in message.iter_parts():
    entry = {
        "type": part.get_content_type(),
        "encoding": part["Content-Transfer-Encoding"],
        "defects": [type(defect).__name__ for defect in part.defects],
    }
    if part.get_content_maintype() == "message" and part.is_multipart():
        entry["blocks"] = [
            [[name, str(value)] for name, value in block.items()] for block in part.get_payload()
        ]
    else:
        entry["text"] = part.get_payload(decode=True).decode("utf-8", "replace")
    parts.append(entry)
json.dump(
    {
        "header": {name.lower(): str(value) for name, value in message.items()},
        "type": message.get_content_type(),
        "reportType": message.get_param("report-type"),
        "defects": [type(defect).__name__ for defect in message.defects],
        "parts": parts,
        "longestLine": max(len(line) for line in octets.split(b"\r\n")),
    },
    sys.stdout,
)
