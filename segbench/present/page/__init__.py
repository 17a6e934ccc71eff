"""The report as one HTML page that needs no network: data, a little script, SVG drawn in the browser."""
