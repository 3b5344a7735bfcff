"""`python -m bench` (all peers) and `python -m bench --against COMMIT` (the working tree and a commit)."""

import argparse
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import FrameType

from gateway_local.environments import python_of
from gateway_local.failure import SetupFailed
from gateway_local.layout import PACKAGES
from gateway_local.progress import tell

from bench.against import other_commit
from bench.interpreter import interpreter
from bench.peers import direct
from bench.peers.catalogue import PEERS
from bench.peers.gateway import NAME, gateway_with
from bench.report import parts_table, shape_table, summary_table
from bench.rig import Peer, Target
from bench.session import Results, rig, run_rounds, started
from bench.shapes import SHAPES, Shape, sized

INTERRUPTED = 130
QUICK_SHAPES = ("json-16", "sse")


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    peers = _peers(options.peers, options.commits, options.variants)
    names = options.shapes or (QUICK_SHAPES if options.commits else tuple(SHAPES))
    sizes = {"seconds": options.seconds, "streams": options.streams, "idle_streams": options.idle_streams}
    shapes = [sized(SHAPES[name], **sizes) for name in names]
    rounds = options.rounds or (4 if options.commits else 3)
    _allow_many_files()
    signal.signal(signal.SIGTERM, _interrupt)
    began_s = time.monotonic()
    try:
        with rig() as made, started(made, peers) as (targets, absent):
            python = interpreter(python_of(PACKAGES["edge"]))
            machine = f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before the run"
            results = run_rounds(targets, shapes, rounds=rounds, seconds=options.seconds)
    except SetupFailed as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    tell(f"done in {time.monotonic() - began_s:.0f} s")
    about = f"{python}, {machine}; {rounds} rounds of {options.seconds:g} s, interleaved"
    text = _report(targets, shapes, results, absent, about)
    sys.stdout.write(f"\n{text}")
    if options.output:
        options.output.write_text(text)
    return 0


def _allow_many_files() -> None:
    """For us and all that we start: a thousand streams are more than the usual 1,024 descriptors."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _peers(names: Sequence[str], commits: Sequence[str], variants: Sequence[str]) -> dict[str, Peer]:
    chosen = names or (["gateway"] if commits or variants else ["all"])
    peers = dict(PEERS) if "all" in chosen else {name: PEERS[name] for name in chosen}
    peers |= {settings: partial(gateway_with, assignments=settings) for settings in variants}
    return peers | {commit: partial(other_commit, commit=commit) for commit in commits}


def _report(
    targets: Sequence[Target], shapes: Sequence[Shape], results: Results, absent: dict[str, str], about: str
) -> str:
    """The first stack of ours is the subject of the ratios."""
    stacks = [target.name for target in targets if target.behind]
    subject = stacks[0] if stacks else NAME
    parts = [f"{about}. Medians (least..greatest of the rounds).\n"]
    parts += [f"Absent: {name}: {' '.join(reason.split())}\n" for name, reason in absent.items()]
    parts.append(summary_table(shapes, results.rounds, subject=subject, baseline=direct.NAME))
    for shape in shapes:
        rounds, failures = results.rounds[shape.name], results.failures[shape.name]
        parts.append(shape_table(shape, rounds, failures, subject=subject, baseline=direct.NAME))
    parts += [parts_table(shapes, results.rounds, name) for name in stacks]
    return "\n".join(parts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--peers", nargs="*", choices=(*PEERS, "all"), default=[], help="default: all")
    parser.add_argument("--shapes", nargs="*", choices=SHAPES, default=[], help="default: all")
    parser.add_argument(
        "--against",
        metavar="COMMIT",
        action="append",
        default=[],
        dest="commits",
        help="compare with this commit of ours; can be repeated",
    )
    parser.add_argument(
        "--with", metavar="NAME=VALUE,...", action="append", default=[], dest="variants",
        help="another stack of the working tree with these settings: what they cost; can be repeated",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, help="default: 3, or 4 against a commit")
    parser.add_argument("--seconds", type=float, default=2.5, help="of each measurement (%(default)s)")
    parser.add_argument("--streams", type=int, default=300, help="of the shape `open` (%(default)s)")
    parser.add_argument("--idle-streams", type=int, default=1000, help="of the shape `idle` (%(default)s)")
    parser.add_argument("--output", type=Path, help="also write the report there")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
