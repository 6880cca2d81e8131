"""What serves: the stable pointer, trials of a candidate, votes, and the monitor."""
