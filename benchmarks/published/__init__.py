"""Numbers that other people measured, and what is known of them."""
