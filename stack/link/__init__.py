"""Devices: what carries frames between an engine and the world."""
