"""The parts of a demo: chain, model, machines, contracts, enclaves, ask, unsplit, audit."""
