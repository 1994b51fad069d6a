"""A plain, slow twin of the kernels, written from docs/protocol.md and not from them."""
