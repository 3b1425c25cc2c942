"""A request from question to answer: price, recipients, sealing, payment, stream, answer."""
