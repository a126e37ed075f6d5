"""`python -m schemas.write_avro`: commits a new schema version for each record whose model has changed.

Never touches a committed file: a change becomes the next number. Prints what it wrote.
"""

import json
from pathlib import Path

from schemas.avro_types import avro_of, canonical_text
from schemas.codec import RECORDS, committed


def main() -> None:
    """Write `schemas/avro/<Record>/NNNN.avsc` for every record that differs from its newest file."""
    root = Path(__file__).parent / "avro"
    for model in RECORDS:
        derived = avro_of(model)
        old = committed(model.__name__)
        if old and json.loads(old[-1][1]) == derived:
            continue
        target = root / model.__name__ / f"{len(old) + 1:04d}.avsc"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(canonical_text(derived), "utf-8")
        print(f"wrote {target.relative_to(root.parent.parent)}")  # noqa: T201 -- a command's answer


if __name__ == "__main__":
    main()
