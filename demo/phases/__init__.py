"""The parts of a demo in their order: chain, model, machines, contracts, enclaves, ask, unsplit, audit."""
