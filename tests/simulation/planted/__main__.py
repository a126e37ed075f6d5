"""Hunts all planted bugs, or those named, and says what each took; 1 where one was not found."""

import argparse
import sys
from functools import partial

from tests.simulation import crew
from tests.simulation.planted import BUGS
from tests.simulation.planted.hunt import hunted


def main(arguments: list[str] | None = None) -> int:
    """Hunt, and say what was found."""
    asked = _parser().parse_args(arguments)
    names, found = asked.bugs or [one.name for one in BUGS if one.is_of(asked.store)], 0
    with crew.crew(asked.store, asked.jobs) as pool:
        for result in pool.imap(partial(hunted, most=asked.seeds), names):
            found += result.kind is not None
            how = f"{result.kind}: {result.detail}" if result.kind else "NOT FOUND"
            sys.stdout.write(f"{result.bug}: {result.seeds} seeds, {result.seconds:.1f} s, {how}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{found} of {len(names)} planted bugs found within {asked.seeds} seeds\n")
    return 0 if found == len(names) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Planted bugs, each of which the simulation has to find.")
    parser.add_argument("--seeds", type=int, default=5000, help="in how many seeds each has to be found")
    parser.add_argument("--store", choices=crew.STORES, default=crew.STORES[0], help="where the book is: in memory, or on a real server")
    parser.add_argument("--jobs", type=int, default=2, help="how many processes share them")
    parser.add_argument("bugs", nargs="*", help="which of them; all where none is named")
    return parser


if __name__ == "__main__":
    sys.exit(main())
