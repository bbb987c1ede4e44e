"""The ways to the providers: one module per wire dialect and endpoint. See README.md to add one."""
