"""The parts of a demo in their order: model, chain, contracts, enclaves, ask, unsplit, audit."""
