"""Faults of the world: time, power, network and disk go wrong on demand, and are healed."""
