"""All that a worker needs to predict, imported: for the process that workers are forked from.

Besides the tasks these are our types of models, which are entry points, and pandas, which pyarrow
imports when it makes its first array. Plug-ins of others are left to the workers, since their
imports may start threads, which do not outlive a fork.
"""

from importlib import import_module

import pandas  # noqa: F401

from screener.campaign.tasks import predict  # noqa: F401
from screener.models import bundle_model  # noqa: F401
from screener.models.compiled import load_numba
from screener.registry.plugins import own_modules

for _module in own_modules("models"):
    import_module(_module)
load_numba()
