"""The command line: its commands and error handling. Importing it imports no third-party library but typer.

Exit codes: 0 done, 1 some cells failed or some tables differ, 2 user error (one sentence), 130 interrupted.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shlex
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks import __version__
from benchmarks.commands import (
    check,
    data,
    explain,
    gpu_check,
    keeping,
    listing,
    plan,
    recommend,
    run,
    tables,
    tune,
    verify,
)
from benchmarks.commands.models import export, predict
from benchmarks.support.errors import OutputClosed, UserError, missing_library, one_line

if TYPE_CHECKING:
    from benchmarks.running.supervised import Supervised

PROGRAM = "python -m benchmarks"
MISTAKE, INTERRUPTED = 2, 130
OF_THE_MACHINE = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ELOOP,
    errno.ENAMETOOLONG,
)  # fmt: skip

app = typer.Typer(
    help="Which way of countering class imbalance helps which classes, on which backbone, at what cost.",
    # rich help and tracebacks would add a third to the start-up time
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"imbalance-benchmarks {__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
]


@app.callback()
def before_the_command(version: Version = False) -> None:
    """Handle the options before a command."""


app.command("run")(run.run)
app.command("recommend")(recommend.recommend)
app.command("tune")(tune.tune)
app.command("plan")(plan.plan)
app.command("leaderboard")(tables.leaderboard)
app.command("report")(tables.report)
app.command("explain")(explain.explain)
app.command("check")(check.check)
app.command("status")(keeping.status)
app.command("verify")(verify.verify)
app.command("export")(export.export)
app.command("predict")(predict.predict)
app.command("clean")(keeping.clean)
app.command("list")(listing.show)
app.add_typer(data.app, name="data")
app.add_typer(listing.suite, name="suite")
app.command("throughput")(tables.throughput)
app.command("gpu-check")(gpu_check.gpu_check)


def main(arguments: Sequence[str] | None = None, supervised: Supervised | None = None) -> int:
    """Run the command given by `arguments` (default: those of the process) and return its exit code.

    `supervised`: this process, if a supervisor watches it; for commands that train.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        _check_empty(arguments)
        code = app(args=arguments, prog_name=PROGRAM, standalone_mode=False, obj=supervised)
        sys.stdout.flush()
    except (BrokenPipeError, OutputClosed):  # stdout was closed (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        sentence = _mistake(error)
        if sentence is None:
            raise
        print(f"error: {sentence}", file=sys.stderr)
        return MISTAKE
    if code == INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C ends at once, without a traceback
        print(f"\ninterrupted; finished work is kept. To continue: {PROGRAM} {shlex.join(arguments)}", file=sys.stderr)
    return code if isinstance(code, int) else 0


def _check_empty(arguments: Sequence[str]) -> None:
    """Raise UserError for an empty argument: as a path it would mean the current folder."""
    for index, argument in enumerate(arguments):
        if argument and not re.fullmatch(r"--[a-z-]+=", argument):
            continue
        option = argument.rstrip("=") or arguments[index - 1] if index else ""
        what = option if option.startswith("-") else "an argument"
        raise UserError(f"{what} has an empty value (from an unset variable?); give one, or leave it out.")


def _mistake(error: Exception) -> str | None:
    """Return the message of an error that the user can fix, None for a defect."""
    if hasattr(error, "format_message"):  # click's usage errors, whichever package ships them
        # typer words conversion errors as "Value error, ..."
        message = error.format_message().replace("Value error, ", "").rstrip(".")
        context = getattr(error, "ctx", None)
        hint = f"; see `{context.command_path} --help`" if context else ""
        return one_line(f"{message}{hint}.")
    if isinstance(error, ImportError):
        return missing_library(error)
    if isinstance(error, OSError) and error.errno in OF_THE_MACHINE:
        where = f"{error.filename}: " if error.filename else ""
        return one_line(f"{where}{error.strerror}; fix this and re-run the command.")
    from backbones.errors import BackboneError
    from strategies.base import StrategyError

    if isinstance(error, UserError | BackboneError | StrategyError):
        return one_line(str(error))
    with contextlib.suppress(ImportError):
        from benchmarks.records.record import RecordError

        if isinstance(error, RecordError):
            return str(error)
    return None
