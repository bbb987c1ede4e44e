"""When on the day something happens, in its hours."""

OUTAGE_OF = "openai"
OUTAGE = 19
OUTAGE_HOURS = 1
RESTART = 14
