"""Everything a person sees: tables, figures, pages and exports; with `cli/` the only rooms that print."""
