"""Real processes and real servers, and somebody who kills, stops, floods and restarts them."""
