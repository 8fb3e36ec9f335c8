"""Portraiture Studio: a page in the browser for one user of this computer."""
