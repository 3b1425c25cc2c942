"""Gas of whole transactions, on a local chain with the rules of Base."""
