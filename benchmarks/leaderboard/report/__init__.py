"""`<suite>/report.html`: one self-contained page to explore a suite's records. `content` gathers, `page` writes."""
