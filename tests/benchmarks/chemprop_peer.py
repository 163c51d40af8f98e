"""`chemprop predict` in an environment of its own; see `graphs.py`, which starts this.

Commands come as lines, `ready` or arguments of chemprop; each is answered by `done`. What chemprop
tells of its progress is not shown.
"""

import logging
import os
import shlex
import sys
import warnings

import torch
from chemprop.cli.main import main as chemprop


def main() -> None:
    torch.set_num_threads(1)
    logging.disable(logging.INFO)
    warnings.simplefilter("ignore")
    answers = sys.stdout
    with open(os.devnull, "w") as sys.stdout:
        for line in sys.stdin:
            if line.strip() != "ready":
                sys.argv = ["chemprop", *shlex.split(line)]
                chemprop()
            print("done", file=answers, flush=True)


if __name__ == "__main__":
    main()
