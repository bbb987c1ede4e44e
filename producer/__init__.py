"""Puts jobs in: submit, the HTTP API, the read side, the command line, the embedded servers."""
