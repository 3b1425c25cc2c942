"""How fast a ring of stages computes, beside others that do the same."""
