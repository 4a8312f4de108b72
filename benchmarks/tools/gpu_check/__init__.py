"""`gpu-check`: half an hour on a GPU, spent on what is most worth knowing about it; `parts.py` says on what."""
