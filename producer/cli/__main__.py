"""`python -m producer.cli`: the command `factory`."""

from producer.cli import main

main(prog_name="factory")
