"""The paper's tables and figures as data: what is asked of which networks, what was published, and the reasons."""
