"""Fetch the fashion dataset's Parquet shards from the Hugging Face hub into the cache, completely or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath

from benchmarks.data.load import fetched_folder
from benchmarks.support.errors import UserError, first_line

REPOSITORY = "ashraq/fashion-product-images-small"


def fetch_fashion(cache: Path, endpoint: str | None = None) -> Path:
    """Return the dataset's folder in the cache, downloading the dataset first if it is missing.

    An interrupted fetch resumes; the folder gets its final name once it has every shard. `endpoint` replaces the
    default hub ($HF_ENDPOINT is honoured). Raises UserError if the hub cannot be reached or lacks the dataset, or if
    the download fails.
    """
    place = fetched_folder(cache, "fashion")
    if place.exists():
        return place
    import huggingface_hub

    # the dataset is public: do not send a token that a mirror could read
    hub = huggingface_hub.HfApi(endpoint=endpoint, token=False)
    try:
        info = hub.dataset_info(REPOSITORY)
        names = sorted(file.rfilename for file in info.siblings or [] if _is_shard(file.rfilename))
        if not names or info.sha is None:
            raise UserError(
                f"The hub's {REPOSITORY} holds no data/*.parquet any more; get Kaggle's copy and use --data."
            )
        part = place.with_name(f"fashion-{info.sha[:12]}.part")
        for name in names:
            hub.hf_hub_download(REPOSITORY, name, repo_type="dataset", revision=info.sha, local_dir=part)
    except UserError:
        raise
    except Exception as error:  # the hub's transport errors share no base class across its versions
        reason = first_line(error)
        raise UserError(
            f"The dataset {REPOSITORY} could not be fetched from the Hugging Face hub ({reason}); check the network "
            "and run `data fetch fashion` again, or get Kaggle's copy and use --data PATH."
        ) from error
    try:
        os.rename(part, place)
    except OSError:
        if not place.exists():
            raise
        shutil.rmtree(part, ignore_errors=True)  # another process has fetched it first
    return place


def _is_shard(name: str) -> bool:
    """Whether a file of the repository is one of the dataset's shards, with a path inside the folder."""
    path = PurePosixPath(name)
    return path.suffix == ".parquet" and path.parent == PurePosixPath("data") and "\\" not in name
