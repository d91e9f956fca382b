"""Do the fast engine and ngspice find the same operating point of a deck? For one deck, a folder, random circuits."""

from analogpnn.agreement.compare import KINDS, Verdict, compare, compare_folder
from analogpnn.agreement.random_decks import random_deck

__all__ = ["KINDS", "Verdict", "compare", "compare_folder", "random_deck"]
