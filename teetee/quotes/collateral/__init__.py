"""What a quote is checked against: TCB info, QE identity and CRLs, fetched or from files."""
