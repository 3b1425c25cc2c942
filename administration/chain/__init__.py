"""The connected network: its contracts, events, and a sender of transactions."""
