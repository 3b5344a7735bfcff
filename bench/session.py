"""One interleaved run: every target is up, and each round goes through all of them, beginning with another."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from gateway_local.environments import ensure_environment
from gateway_local.layout import PACKAGES, Home
from gateway_local.prepare import issue_certificates
from gateway_local.progress import tell

from bench.figures import rotated
from bench.load import LoadFailed
from bench.measure import Measurement, measure
from bench.native import provider
from bench.rig import FOLDER, Absent, Peer, Rig, Target
from bench.run_folder import run_folder
from bench.shapes import Shape

PROGRAMS = FOLDER / "programs"


@dataclass(slots=True)
class Results:
    """Measurements by shape and target, one for each round; why a target has none, by shape."""

    rounds: dict[str, dict[str, list[Measurement]]] = field(default_factory=dict)
    failures: dict[str, dict[str, str]] = field(default_factory=dict)


@contextmanager
def rig() -> Iterator[Rig]:
    """The fake provider, certificates of our authority, and a folder for this run."""
    with run_folder(FOLDER) as folder:
        ensure_environment(PACKAGES["authority"])
        home = Home(folder)
        issue_certificates(home)
        with provider(PROGRAMS) as port:
            yield Rig(port, folder, home.certificates)


@contextmanager
def started(rig: Rig, peers: Mapping[str, Peer]) -> Iterator[tuple[list[Target], dict[str, str]]]:
    """The targets that are up, and for each of the others why it is not. All end with the block."""
    with ExitStack() as stack:
        targets: list[Target] = []
        absent: dict[str, str] = {}
        for name, peer in peers.items():
            tell(f"starting {name}")
            try:
                targets.append(stack.enter_context(peer(rig)))
            except Absent as reason:
                absent[name] = str(reason)
                tell(f"{name} is absent: {reason}")
        yield targets, absent


def run_rounds(targets: Sequence[Target], shapes: Sequence[Shape], *, rounds: int, seconds: float) -> Results:
    """A target that fails in a shape is left out of the rest of that shape's rounds."""
    results = Results()
    for shape in shapes:
        results.rounds[shape.name] = {}
        results.failures[shape.name] = {}
        for number in range(rounds):
            tell(f"{shape.title}: round {number + 1} of {rounds}")
            for target in rotated(targets, number):
                _measure_into(results, target, shape, seconds)
    return results


def _measure_into(results: Results, target: Target, shape: Shape, seconds: float) -> None:
    failures = results.failures[shape.name]
    if target.name in failures or shape.dialect not in target.models:
        return
    if shape.requests_each and not target.carries_open_streams:
        failures[target.name] = "not asked: so many streams at once would only queue up in it"
        return
    try:
        measured = measure(target, shape, seconds=seconds, folder=PROGRAMS)
    except LoadFailed as error:
        failures[target.name] = str(error)
        results.rounds[shape.name].pop(target.name, None)
        return
    results.rounds[shape.name].setdefault(target.name, []).append(measured)
