"""`gpu-check`: half an hour of checks and measurements on a GPU, most important first; `parts.py` lists them."""
