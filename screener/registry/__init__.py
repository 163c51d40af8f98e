"""What there is: quantities, levels, model types and goals of objectives, ours and of plug-ins.

Everything else reads here which columns exist, in which units and bounds, and which elements a
method knows. An entry is added by an entry point of a package, without a change of this one.
"""
