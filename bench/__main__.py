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
from bench.fitting import fitted
from bench.goals import goals_table
from bench.interpreter import interpreter
from bench.peers import direct
from bench.peers.catalogue import PEERS
from bench.peers.gateway import NAME, gateway_over_tls, gateway_with
from bench.report import parts_table, shape_table, summary_table
from bench.rig import Peer, Target
from bench.session import PROGRAMS, Results, rig, run_rounds, started
from bench.shapes import SHAPES, Shape, sized
from bench.slow_reader import compare, slow_reader_table

INTERRUPTED = 130
QUICK_SHAPES = ("json-16", "sse")
ON_REQUEST = ("overload", "stream-1000")
OVER_TLS = ("", "PROVIDER_CLIENT=aiohttp")
BOUNDS = ("MAX_REQUESTS_IN_FLIGHT=40", "MAX_OPEN_CALLS=40")
"""For `overload`: what the edge takes at once, and what the router does."""


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    names = _shape_names(options)
    variants = options.variants or (BOUNDS if "overload" in names else ())
    peers = _peers(options.peers, options.commits, variants)
    if options.provider_tls:
        peers |= {f"tls {setting}": partial(gateway_over_tls, assignments=setting) for setting in OVER_TLS}
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
            shapes = [_fitted(shape, targets, options.seconds) for shape in shapes]
            results = run_rounds(targets, shapes, rounds=rounds, seconds=options.seconds)
            beside = _beside_slow_readers(options, targets, rounds)
    except SetupFailed as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    tell(f"done in {time.monotonic() - began_s:.0f} s")
    about = f"{python}, {machine}; {rounds} rounds of {options.seconds:g} s, interleaved"
    text = _report(targets, shapes, results, absent, about) + beside
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


def _shape_names(options: argparse.Namespace) -> Sequence[str]:
    if options.shapes or options.slow_reader:
        return list(options.shapes)
    return QUICK_SHAPES if options.commits else [name for name in SHAPES if name not in ON_REQUEST]


def _fitted(shape: Shape, targets: Sequence[Target], seconds: float) -> Shape:
    """A thousand streams are as fast as the provider alone and the first stack of ours can keep up with."""
    if shape.name != "stream-1000":
        return shape
    ours = [target for target in targets if target.behind][:1]
    alone = [target for target in targets if target.name == direct.NAME]
    return fitted(shape, alone + ours, seconds=seconds, folder=PROGRAMS)


def _beside_slow_readers(options: argparse.Namespace, targets: Sequence[Target], rounds: int) -> str:
    if not options.slow_reader:
        return ""
    return "\n" + slow_reader_table(compare(targets, rounds=rounds, seconds=options.seconds, folder=PROGRAMS))


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
    if shapes:
        parts.append(summary_table(shapes, results.rounds, subject=subject, baseline=direct.NAME))
        parts.append(goals_table(shapes, results.rounds, subject=subject))
    for shape in shapes:
        rounds, failures = results.rounds[shape.name], results.failures[shape.name]
        parts.append(shape_table(shape, rounds, failures, subject=subject, baseline=direct.NAME))
    if shapes:
        parts += [parts_table(shapes, results.rounds, name) for name in stacks]
    return "\n".join(filter(None, parts))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--peers", nargs="*", choices=(*PEERS, "all"), default=[], help="default: all")
    parser.add_argument(
        "--shapes", nargs="*", choices=SHAPES, default=[], help=f"default: all but {' and '.join(ON_REQUEST)}"
    )
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
    parser.add_argument(
        "--provider-tls",
        action="store_true",
        help="two more stacks of the working tree that call the provider over TLS, one with each client",
    )
    parser.add_argument(
        "--slow-reader",
        action="store_true",
        help="clients that read 1 KB/s beside 200 others; then no shape but --shapes",
    )
    parser.add_argument("--rounds", type=int, help="default: 3, or 4 against a commit")
    parser.add_argument("--seconds", type=float, default=2.5, help="of each measurement (%(default)s)")
    parser.add_argument("--streams", type=int, default=300, help="of the shape `open` (%(default)s)")
    parser.add_argument("--idle-streams", type=int, default=1000, help="of the shape `idle` (%(default)s)")
    parser.add_argument("--output", type=Path, help="also write the report there")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
