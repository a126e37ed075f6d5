"""The broker's jars: which files they are, where they come from, that they are the right ones.

Input:   `kafka_jars.sha256` beside this module: SHA-256 and Maven path of every jar, committed.
Output:  a folder in Maven's layout that holds exactly those files; fetched with jgo, never into `~/.m2`.
Fails:   StackFailed when a file cannot be fetched, or is not the one that was committed. A wrong file is never run.

`python -m ordermend.local.kafka_jars FOLDER` fetches; with `--relock` it resolves the versions below again and rewrites the list.
"""

import argparse
import hashlib
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from schemas.failures import StackFailed

KAFKA_VERSION: Final = "4.4.0"
_ROOTS: Final = (f"org.apache.kafka:kafka_2.13:jar:{KAFKA_VERSION}:compile", "org.slf4j:slf4j-simple:jar:1.7.36:compile")
_MANIFEST: Final = "kafka_jars.sha256"


def manifest() -> dict[str, str]:
    """Return Maven path -> SHA-256 of every jar the broker runs."""
    lines = files("ordermend.local").joinpath(_MANIFEST).read_text().splitlines()
    return {path: digest for digest, path in (line.split() for line in lines)}


def classpath(folder: Path) -> str:
    """Return the class path; call `problems` first."""
    return ":".join(str(folder / path) for path in sorted(manifest()))


def problems(folder: Path) -> dict[str, str]:
    """Return path -> what is wrong with it (`missing` or `altered`); empty means the broker may run. About 0.1 s."""
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda item: (item[0], _problem(folder / item[0], item[1])), manifest().items())
        return {path: problem for path, problem in found if problem}


def _problem(file: Path, digest: str) -> str:
    try:
        return "" if _sha256(file) == digest else "altered"
    except OSError:
        return "missing"


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def fetch(folder: Path) -> None:
    """Bring what is missing or altered into `folder`, then check every file."""
    wanted = problems(folder)
    for path in wanted:
        shutil.rmtree((folder / path).parent, ignore_errors=True)
    context = _maven(folder)
    with ThreadPoolExecutor(8) as pool:
        waiting = {pool.submit(_fetch_one, context, path): path for path in wanted}
        for done, future in enumerate(as_completed(waiting), start=1):
            _settle(future, waiting[future])
            print(f"fetched {done} of {len(wanted)}", flush=True)  # noqa: T201 - read by whoever started this program
    wrong = problems(folder)
    if wrong:
        listed = ", ".join(f"{Path(path).name} is {problem}" for path, problem in sorted(wrong.items()))
        raise StackFailed(f"the broker's jars are not those of {_MANIFEST}, so they are not run: {listed}")


def _maven(folder: Path) -> Any:
    from jgo.maven import MavenContext  # noqa: PLC0415 - takes 0.3 s, needed for a fetch only

    return MavenContext(repo_cache=folder, timeout=60)


def _fetch_one(context: Any, path: str) -> None:
    *group, artifact, version, _ = path.split("/")
    component = context.project(".".join(group), artifact).at_version(version)
    try:
        component.artifact().resolve()
    except Exception:  # noqa: BLE001 - one more try, whatever the network did; the second one tells
        component.artifact().resolve()


def _settle(future: Future[None], path: str) -> None:
    try:
        future.result()
    except Exception as error:
        raise StackFailed(f"{Path(path).name} could not be fetched from Maven Central: {error}") from error


def _resolved(context: Any) -> Iterator[Path]:
    roots, others = context.resolver.resolve([context.create_dependency(root) for root in _ROOTS])
    for dependency in [*roots, *(other for other in others if other.scope in {"compile", "runtime"})]:
        yield dependency.artifact.resolve()


def relock(folder: Path) -> None:
    """Resolve the broker's dependencies again and rewrite the committed list."""
    jars = {jar.absolute().relative_to(folder.absolute()).as_posix(): _sha256(jar) for jar in _resolved(_maven(folder))}
    text = "".join(f"{digest}  {path}\n" for path, digest in sorted(jars.items()))
    Path(__file__).with_name(_MANIFEST).write_text(text)


def _main() -> None:
    parser = argparse.ArgumentParser(description="Fetch the broker's jars.", epilog="Example: python -m ordermend.local.kafka_jars jars")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--relock", action="store_true", help="rewrite the list of jars")
    arguments = parser.parse_args()
    try:
        (relock if arguments.relock else fetch)(arguments.folder)
    except StackFailed as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    _main()
