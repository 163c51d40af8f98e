"""Structures of many molecules: made once on workers, stored, and read again."""
