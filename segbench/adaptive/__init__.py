"""Input-adaptive inference: less is spent on easy inputs.

Order of reading: `run` (what an adaptive network offers), `policies` (what decides after each stage), `inference` (a
network under a policy), `decisions` (decisions recorded, and made again for the same or another image).
"""
