"""Builds a library on a Dask cluster; what is done is kept when it is interrupted.

Everything unfinished lies in `tmp/` below the library. Its receipts say what is done, so the same
command again does only what is missing, and `manifest.json`, written last, makes it a library. No
byte depends on the workers. `screener.library_build.passes` does the work.
"""

from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version

import rdkit
from distributed import Client

from screener.chemistry.standardise import StandardiseSettings
from screener.errors import ConfigError, StoreError
from screener.library.record_blocks import check_sources
from screener.library.settings import BuildSettings, Layout
from screener.library.sources import find_sources, fingerprint
from screener.library_build.folder import TEMPORARY, begin, clear, require_free, require_same
from screener.library_build.passes import Passes
from screener.library_build.plan import BuildPlan, BuildProgress, Report
from screener.library_build.refused import RefusedError
from screener.stores.files import Folder
from screener.stores.lease import Lease
from screener.stores.library import (
    MANIFEST,
    InputFile,
    LibraryStore,
)
from screener.waiting import waiting

__all__ = [
    "BuildPlan",
    "BuildProgress",
    "build_library",
    "carry_out",
    "finished_library",
    "plan_build",
]


def plan_build(
    inputs: Sequence[str],
    out: str,
    settings: StandardiseSettings,
    *,
    smiles_column: str | None = None,
    id_column: str | None = None,
    layout: Layout | None = None,
) -> BuildPlan:
    """Look at everything that a build needs, and write nothing.

    Args:
        inputs: paths, globs or fsspec URLs, readable by this process.
        out: folder or URL of the library, which all workers can write.
        settings: what is accepted and how it is standardised.
        smiles_column, id_column: of tables, the latter also among an SDF's data; None to find them
            by their names.
        layout: how the work is cut; the default suits any size.
    Returns:
        What `carry_out` takes.
    Raises:
        ConfigError: an input is missing, empty or unreadable, or has no SMILES column; none has a
            record, or a column that is named; or `out` is not free or cannot be written.
    """
    build = BuildSettings(molecules=settings, smiles_column=smiles_column, id_column=id_column)
    with waiting(
        "the inputs to be opened",
        "It goes on by itself once the file system, or the service behind a URL, answers.",
    ):
        sources = tuple(find_sources(inputs))
        check_sources(sources, build)
    folder = Folder(out)
    if folder.is_local:  # workers have other working directories
        folder = Folder(str(folder.local_path()))
    require_free(folder)
    if not folder.exists(MANIFEST):
        try:
            folder.require_writable()
        except StoreError as error:
            raise ConfigError(f"the library cannot be written: {error}") from error
    files: list[InputFile] = []
    with waiting(
        "the checksums of the inputs",
        "All inputs are read once by this process before the work begins; it goes as fast as they "
        "can be read from here.",
        lambda: f"{len(files)} of {len(sources)} files are done",
    ):
        for source in sources:
            files.append(fingerprint(source))
    return BuildPlan(folder, sources, tuple(files), build, layout or Layout())


def finished_library(plan: BuildPlan) -> LibraryStore | None:
    """The library, where it is complete already.

    Raises:
        ConfigError: it was made from other inputs or settings; the message shows which.
    """
    if not plan.folder.exists(MANIFEST):
        return None
    store = LibraryStore.open(plan.folder.url)
    held = store.manifest.model_dump(include={"settings", "inputs"})
    require_same(held, plan.identity, f"{plan.folder.url} is a library")
    plan.folder.remove(TEMPORARY)  # the last build may have been killed between the two
    return store


def carry_out(plan: BuildPlan, client: Client, progress: Report | None = None) -> LibraryStore:
    """Build the library, or what is missing of it.

    Args:
        plan: what is built (see `plan_build`).
        client: a Dask client.
        progress: called after every task.
    Returns:
        The library.
    Raises:
        ConfigError: an input cannot be read to its end, no molecule is valid, or the folder cannot
            be written: nothing is left of the build. Or the folder holds another, unfinished one.
        StoreError: a file of the build is lost or broken.
        ScreenerError: workers or scheduler were lost; the same call again goes on.
    """
    details = {
        "layout": asdict(plan.layout),
        "rdkit_version": rdkit.__version__,
        "screener_version": version("screener"),
    }
    begin(plan.folder, {**plan.identity, **details})
    try:
        with Lease(plan.folder.child(TEMPORARY)).held():
            Passes(plan, client, progress).run()
    except RefusedError:
        clear(plan.folder)
        raise
    clear(plan.folder)
    return LibraryStore.open(plan.folder.url)


def build_library(
    inputs: Sequence[str],
    out: str,
    settings: StandardiseSettings,
    client: Client,
    progress: Report | None = None,
    *,
    smiles_column: str | None = None,
    id_column: str | None = None,
    layout: Layout | None = None,
) -> LibraryStore:
    """Build a library from files, or finish one that was begun.

    One that is complete and was made from the same inputs and settings is opened and left alone.

    Args:
        inputs: paths, globs or fsspec URLs. Where workers cannot read them, this process reads them
            for the workers.
        out: folder or URL of the library, which all workers can write.
        settings: what is accepted and how it is standardised.
        client: a Dask client.
        progress: called after every task.
        smiles_column, id_column: of tables, the latter also among an SDF's data; None to find them
            by their names.
        layout: how the work is cut; the default suits any size.
    Returns:
        The library.
    Raises:
        ConfigError: an input cannot be used, or the folder cannot (see `plan_build`).
        StoreError: a file of the build is lost or broken.
        ScreenerError: workers or scheduler were lost; the same call again goes on.
    """
    plan = plan_build(
        inputs, out, settings, smiles_column=smiles_column, id_column=id_column, layout=layout
    )
    return finished_library(plan) or carry_out(plan, client, progress)
