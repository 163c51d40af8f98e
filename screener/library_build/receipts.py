"""Receipts of a build's tasks: which are done, without listing or reading a file for each.

    receipts/<pass>/000/<task>.json · receipts/<pass>/000.json

A task leaves a receipt of its own. Once a thousand tasks that follow one another are done, the
client writes their receipts into one file, from which a resumed build takes all of them at once.
"""

from dataclasses import asdict

from screener.errors import SchemaError
from screener.library_build.storage_keys import PER_FOLDER, task_name
from screener.records import Receipt
from screener.stores.files import Folder
from screener.stores.receipts import Receipts, receipt_of


def receipts_of(temporary: Folder, kind: str, number: int) -> Receipts:
    """The receipts among which that of a task lies.

    Args:
        temporary: the build's folder for temporary files.
        kind, number: the pass, and the task in it.
    Returns:
        At most a thousand receipts.
    """
    return Receipts(temporary, f"receipts/{kind}/{number // PER_FOLDER:03d}")


def earlier_receipt(temporary: Folder, kind: str, number: int) -> Receipt | None:
    """The receipt of a task that was done before, by an attempt that was thought lost.

    Args:
        temporary: the build's folder for temporary files.
        kind, number: the pass, and the task in it.
    Returns:
        The receipt, or None where the task is not done.
    Raises:
        SchemaError: the receipt is broken.
    """
    receipts = receipts_of(temporary, kind, number)
    name = task_name(kind, number)
    return receipts.read(name) if receipts.has(name) else None


class PassReceipts:
    """The receipts of one pass, for the client; ask for them in the order of their numbers.

    Args:
        temporary: the build's folder for temporary files.
        kind: the pass.
        n_tasks: how many tasks it has, numbered from 0.
    """

    def __init__(self, temporary: Folder, kind: str, n_tasks: int) -> None:
        self._temporary = temporary
        self._kind = kind
        self._n_tasks = n_tasks
        self._run: int | None = None  # the thousand that was looked at last
        self._joined: dict[int, Receipt] = {}  # of it
        self._single: set[str] = set()
        self._unjoined: dict[int, list[Receipt]] = {}  # by the thousand, where some are missing

    def done(self, number: int) -> Receipt | None:
        """The receipt of a task that is done.

        Raises:
            SchemaError: it is broken.
        """
        if number // PER_FOLDER != self._run:
            self._run = number // PER_FOLDER
            self._look(self._run)
        if number in self._joined:
            return self._joined[number]
        name = task_name(self._kind, number)
        if name not in self._single:
            return None
        receipt = receipts_of(self._temporary, self._kind, number).read(name)
        self.add(number, receipt)
        return receipt

    def add(self, number: int, receipt: Receipt) -> None:
        """Take note of a task that has just been done."""
        run = number // PER_FOLDER
        waiting = self._unjoined.setdefault(run, [])
        waiting.append(receipt)
        if len(waiting) == len(self._numbers(run)):
            del self._unjoined[run]
            waiting.sort(key=lambda each: each.unit)
            values = [asdict(each) for each in waiting]
            self._temporary.write_json(self._path(run), values)

    def _look(self, run: int) -> None:
        self._joined, self._single = {}, set()
        path = self._path(run)
        if self._temporary.exists(path):
            try:
                receipts = [receipt_of(values) for values in self._temporary.read_json(path)]
                units = [task_name(self._kind, number) for number in self._numbers(run)]
                if [each.unit for each in receipts] != units:
                    raise ValueError(f"of {units[0]} to {units[-1]} some are missing")
            except (TypeError, ValueError) as error:
                raise SchemaError(
                    f"{self._temporary.url}/{path} holds no receipts ({error}); delete it"
                ) from error
            self._joined = dict(zip(self._numbers(run), receipts, strict=True))
        else:
            names = self._temporary.names(path.removesuffix(".json"), ".json")
            self._single = {name.removesuffix(".json") for name in names}

    def _numbers(self, run: int) -> range:
        return range(run * PER_FOLDER, min((run + 1) * PER_FOLDER, self._n_tasks))

    def _path(self, run: int) -> str:
        return f"receipts/{self._kind}/{run:03d}.json"
