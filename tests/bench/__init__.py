"""What calls and jobs cost this machine. Figures are for docs/performance.md; nothing here passes or fails.

A bench is a module with `TITLE` and `run(effort) -> Measured`; it is named in `tests/bench/__main__.py`.
"""
