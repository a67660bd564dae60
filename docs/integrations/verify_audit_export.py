"""Verify an audit export of chuishao without chuishao: python3 verify_audit_export.py EXPORT [ANCHOR ...]
`hash = SHA-256(hash before + digest)`, `digest = SHA-256(event)`; a redacted event is null."""

import gzip
import hashlib
import json
import sys
from pathlib import Path


def read_anchor(path: str) -> dict:
    told, _, rest = Path(path).read_text(encoding="utf-8").partition("\nsha256 ")
    if hashlib.sha256(f"{told}\n".encode()).hexdigest() != rest[:64]:
        sys.exit(f"{path}: the anchor was changed")
    heads = [line.split() for line in told.splitlines() if line.startswith("head ")]
    return {(log, int(shard), int(sequence)): known for _, log, shard, sequence, known in heads}


def verify(path: str, anchors: dict) -> str:
    total, rows = hashlib.sha256(), 0
    with gzip.open(path, "rb") if path.endswith(".gz") else Path(path).open("rb") as file:
        manifest = json.loads(line := next(file))
        starts = {(log, shard): (sequence, known) for log, shard, sequence, known in manifest["starts"]}
        ends, passed = dict(starts), {(*place, sequence): known for place, (sequence, known) in starts.items()}
        for new in file:
            total.update(line)
            if "log" not in (row := json.loads(line := new)):
                break
            place, event, rows = (row["log"], row["shard"]), row["event"], rows + 1
            name, (sequence, before) = f"{place[0]} shard {place[1]} sequence {row['sequence']}", ends[place]
            if row["sequence"] != sequence + 1:
                sys.exit(f"{name}: it should be {sequence + 1}: a row is missing, added or out of order")
            if hashlib.sha256(bytes.fromhex(before + row["digest"])).hexdigest() != row["hash"]:
                sys.exit(f"{name}: the chain is broken")
            if event is not None and hashlib.sha256(event.encode()).hexdigest() != row["digest"]:
                sys.exit(f"{name}: the event was changed")
            ends[place] = (row["sequence"], row["hash"])
            passed |= {at: row["hash"] for at in [(*place, row["sequence"])] if at in anchors}
        is_whole = (row.get("rows"), row.get("sha256"), file.read(1)) == (rows, total.hexdigest(), b"")
    if not is_whole or ends != {(log, shard): (end, known) for log, shard, end, known in manifest["heads"]}:
        sys.exit("the file is cut off, or the rows do not end where the heads are")
    within = {at: known for at, known in anchors.items() if at[:2] in starts and at[2] >= starts[at[:2]][0]}
    if lost := [f"{at[0]} shard {at[1]}" for at, known in within.items() if passed.get(at) != known]:
        sys.exit(f"it does not lead through the anchor: {', '.join(lost)}")
    return f"good: {rows} rows of {len({log for log, _ in ends})} logs, {len(within)} anchored places"


if __name__ == "__main__":
    kept = {at: known for path in sys.argv[2:] for at, known in read_anchor(path).items()}
    sys.stdout.write(f"{verify(sys.argv[1], kept)}\n")
