"""What is asked (a case), what was found (a measurement), on what (an environment), and where it is kept (a ledger)."""
