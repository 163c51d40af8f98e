"""Where the files of a library and of its build lie: never more than a thousand in one folder."""

PER_FOLDER = 1000


def storage_key(kind: str, *numbers: int, suffix: str = "") -> str:
    """The path of a file that is numbered, such as `molecules/000/00000012.parquet`.

    Args:
        kind: the folder of all such files.
        numbers: of the file; where there are several, each but the last numbers a folder.
        suffix: the file name's ending.
    """
    parts = [f"{number // PER_FOLDER:03d}/{number:08d}" for number in numbers]
    return "/".join([kind, *parts]) + suffix


def library_key(kind: str, number: int) -> str:
    """The path of a file of the library, such as `shards/000/part-00000012.parquet`."""
    return f"{kind}/{number // PER_FOLDER:03d}/part-{number:08d}.parquet"


def task_name(kind: str, number: int) -> str:
    """Names a task of a pass, and its receipt."""
    return f"{kind}-{number:08d}"
