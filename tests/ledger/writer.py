"""A process that appends as fast as it can: `python -m tests.ledger.writer HOME URL NUMBER NAME`."""

import sys
from pathlib import Path

from ledger.book import Ledger
from tests.ledger.places import PROJECT
from tests.ledger.sample import ended, plan


def main() -> None:
    home, url, number, name = sys.argv[1:]
    with Ledger.open(Path(home), url or None, PROJECT) as ledger:
        run_id = ledger.start_run("live", requested_by=name)
        sys.stdout.write("started\n")
        sys.stdout.flush()
        for index in range(int(number) // 2):
            key = f"files/{name}/{index}"
            ledger.step_begun(run_id, key, plan(key).to_json(), "d" * 64)
            # Written down only once the ledger has it: whoever kills us compares.
            sys.stdout.write(f"{key}\n")
            sys.stdout.flush()
            ended(ledger, run_id, key, "Applied", evidence=ledger.store_evidence({"n": index}))


if __name__ == "__main__":
    main()
