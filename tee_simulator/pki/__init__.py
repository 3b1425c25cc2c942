"""The test PKI: keys, certificates, signatures."""
