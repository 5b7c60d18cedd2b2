"""gestura: one typed stream of chunks from any language-model provider, on supervised Trio actors."""
