"""SchNet: the network, its evaluation, and the arrays that a bundle stores."""
