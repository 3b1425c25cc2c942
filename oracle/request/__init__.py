"""The life of an on-chain request inside an entry: find, decide, answer, settle."""
