"""``erase``."""

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.here import HomeOption, JsonOption, here
from flows.cli.output import out, print_json, print_table, progress
from posology.errors import CannotDo

if TYPE_CHECKING:
    from flows.erasure import Receipt


def erase(
    user_id: Annotated[
        str | None,
        typer.Argument(metavar="USER_ID", help="The app's name for the patient; else --pending.", show_default=False),
    ] = None,
    pending: Annotated[
        bool, typer.Option("--pending", help="Clean the files after those whom the service has erased.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove one patient from store, snapshots, their cache and remote, evidence and Data Docs, with a receipt.

    A digest of the id stays in the audit chain: data that bring the patient back are refused from then on. Releases
    that had learnt from them are listed: a model cannot forget one person, so whether it may stay is yours to decide.
    Not reached: folders of your own, backups, other machines' homes. Exit status 1 when a file still names them.
    """
    from flows.erasure import erase as erase_one
    from flows.erasure import erase_pending

    if (user_id is None) is not pending:
        raise CannotDo("expected a user_id, or --pending for those whom the service has erased")
    known = here(home)
    with progress("Erasing") as step:
        step("Remove rows, replace snapshots, clean files, and look whether anything is left")
        if user_id is None:
            receipts = erase_pending(known.home, known.settings)
        else:
            receipts = [erase_one(known.home, known.settings, user_id)]
    if as_json:
        told = [{**vars(receipt), "complete": receipt.complete} for receipt in receipts]
        print_json({"receipts": told} if pending else told[0])
    elif not receipts:
        out.print("Nobody waits to be erased.")
    for receipt in receipts if not as_json else ():
        _show(receipt)
    raise typer.Exit(0 if all(receipt.complete for receipt in receipts) else 1)


def _show(receipt: "Receipt") -> None:
    rows = [
        *([f"rows of {table}", f"{number:,}"] for table, number in receipt.removed.items() if number),
        *([f"snapshot {old}", f"replaced by {new}"] for old, new in receipt.snapshots.items()),
        *([file, "cleaned"] for file in receipt.files),
        *([one["release"], f"learnt from them ({', '.join(one['is']) or 'not in use'})"] for one in receipt.learnt),
        *([file, "STILL NAMES THEM"] for file in receipt.remaining),
    ]
    print_table(f"Receipt {receipt.erasure_id}, erased at {receipt.erased_at}", ["what", "became"], rows)
    out.print(f"The audit log knows the patient as {receipt.patient[:16]}… only.")
    if receipt.complete:
        out.print("Nothing in the home names them any more.")
