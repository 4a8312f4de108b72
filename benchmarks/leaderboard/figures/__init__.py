"""Figures of a suite's pages, SVG files in `<suite>/figures/`. A new figure is one file here, see `registry`."""
