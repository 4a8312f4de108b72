"""Records -> Markdown: which strategy helps which classes, on which backbone, at what cost, and is it real."""
