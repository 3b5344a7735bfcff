"""The commands `journal list`, `journal show` and `replay` (`journal_arguments` has their parsers)."""

import argparse
import asyncio
import os
import sys

import orjson

from gateway_router import replay as replaying
from gateway_router.broker_link import PublishFailed
from gateway_router.journal.survey import settled_records, survey_all
from gateway_router.replay import Replayed, Selection, selected_journals
from gateway_router.settings import BrokerSettings
from gateway_shared.settings import read_settings


def run(options: argparse.Namespace) -> int:
    """The process's exit code. Raises SettingsInvalid."""
    if options.command == "replay":
        return _replay(options)
    return _list(options) if options.act == "list" else _show(options)


def _list(options: argparse.Namespace) -> int:
    journals = survey_all(options.journal)
    if options.json:
        sys.stdout.buffer.write(orjson.dumps(journals, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        return 0
    for one in journals:
        held = f"holds {one.first_sequence}-{one.last_sequence}" if one.first_sequence else "holds no event"
        print(
            f"{one.producer}: {one.state}, ended {one.ended}, confirmed {one.confirmed}, {held},"
            f" {one.segments} segments, {one.size_bytes} bytes"
        )
    return 0


def _show(options: argparse.Namespace) -> int:
    folder = selected_journals(options.journal, Selection(options.producer)).get(options.producer)
    if folder is None:
        return _no_such_producer(options.producer)
    first, last = options.sequences
    for frame in settled_records(folder, first=first, last=last):
        sys.stdout.buffer.write(frame.payload + b"\n")
    sys.stdout.flush()
    return 0


def _replay(options: argparse.Namespace) -> int:
    selection = Selection(options.producer, options.from_sequence, options.to_sequence)
    journals = selected_journals(options.journal, selection)
    if selection.producer is not None and not journals:
        return _no_such_producer(selection.producer)
    total = 0

    def done(one: Replayed) -> None:
        nonlocal total
        total += one.events
        sequences = f" ({one.first_sequence}-{one.last_sequence})" if one.events else ""
        print(f"{one.producer}: {one.events} events{sequences}", flush=True)

    if options.dry_run:
        for producer, folder in journals.items():
            done(replaying.count(producer, folder, selection))
        print(f"{total} events of {len(journals)} producers would be published")
        return 0
    settings = read_settings(BrokerSettings, os.environ)
    publishing = replaying.replay(journals, selection, url=settings.amqp_url, files=settings.tls_files, done=done)
    try:
        asyncio.run(publishing)
    except PublishFailed as failure:
        print(f"the broker did not confirm a message ({failure}); begin again", file=sys.stderr)
        return 1
    print(f"{total} events of {len(journals)} producers published and confirmed")
    return 0


def _no_such_producer(producer: str) -> int:
    print(f"no journal of {producer} here", file=sys.stderr)
    return 1
