"""Molecules that take long, crash, devour memory or never end, in the chemistry of workers.

Lies on the path of those tests alone. The processes are the real ones and die real deaths; what is
put in is the cause, since no molecule can be relied upon to break the libraries of all versions.
"""

import json
import os
import sys

if any("screener.execution.child_main" in word for word in sys.orig_argv):
    import ctypes
    import mmap
    import time

    from screener.chemistry import structures

    _fates = json.loads(os.environ["SCREENER_TEST_FATES"])
    _seconds = float(os.environ["SCREENER_TEST_SECONDS"])
    _subject_of = structures.subject_of

    def _subject(smiles, mol_id):
        fate = _fates.get(smiles)
        if fate == "crashes":
            ctypes.string_at(0)
        elif fate == "devours":
            hoard, content = [], b"x" * (1 << 26)
            while True:  # in large pages, since 4 GiB of small ones take longer than a molecule may
                hoard.append(mmap.mmap(-1, len(content)))
                hoard[-1].madvise(mmap.MADV_HUGEPAGE)
                hoard[-1].write(content)
        elif fate == "hangs":
            while True:
                time.sleep(1)
        time.sleep(_seconds)
        return _subject_of(smiles, mol_id)

    structures.subject_of = _subject
