"""What workers do for a campaign: one function for each kind of task."""

WORKER_IMPORTS = f"{__name__}.worker_imports"  # the module, by its name: it takes seconds to import
