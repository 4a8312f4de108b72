"""Push an exported folder to the Hugging Face hub as a timm model, together with its other files."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.support.errors import UserError, first_line
from benchmarks.tools.export.model import CARD, LABELS, PREPROCESSING, WEIGHTS, Preprocessing
from benchmarks.tools.export.tensors import Tensors

if TYPE_CHECKING:
    from huggingface_hub import HfApi

FRONT = "---\nlibrary_name: timm\ntags:\n- image-classification\n- timm\n---\n\n"


def require_hub(repo: str) -> None:
    """Raise UserError for a name that no repository can have, and without a token. Asks no network."""
    from huggingface_hub import get_token
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise UserError(f"--hub {repo!r} is no name of a repository; give OWNER/NAME.") from error
    if not get_token():
        raise UserError("--hub needs a token of the Hugging Face hub; run `hf auth login`, or set HF_TOKEN.")


def push(folder: Path, repo: str, tensors: Tensors, api: HfApi | None = None) -> str:
    """Upload the model in `folder`, whose weights are `tensors`, to the repository `repo`; return its address.

    timm writes what `timm.create_model("hf-hub:REPO", pretrained=True)` reads. The repository is made if there is none.
    Raises UserError for weights that timm cannot load whole, and where the hub refuses or cannot be reached.
    """
    if tensors.create is None or not tensors.whole:
        raise UserError(
            f"{folder} is written, but --hub pushes models that timm loads whole, and this one has layers of its own; "
            f"`hf upload {repo} {folder}` uploads it as files."
        )
    from huggingface_hub import HfApi

    hub = api or HfApi(library_name="timm")
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "model"
        write_for_timm(folder, tensors, place)
        try:
            made = hub.create_repo(repo, exist_ok=True)
            hub.upload_folder(repo_id=made.repo_id, folder_path=place, commit_message="Add model")
        except Exception as error:  # the hub's transport errors share no base class across its versions
            reason = first_line(error)
            raise UserError(
                f"{folder} is written, but could not be pushed to {repo} ({reason}); check the network and what your "
                "token may write, then export to another folder."
            ) from error
    return str(made)


def write_for_timm(folder: Path, tensors: Tensors, place: Path) -> None:
    """Write the files of an exported folder to `place`, with timm's weight names and preprocessing config."""
    import timm
    from timm.models import save_for_hf

    assert tensors.create is not None
    shutil.copytree(folder, place, ignore=shutil.ignore_patterns(WEIGHTS))
    preprocessing = Preprocessing.model_validate_json((folder / PREPROCESSING).read_bytes())
    name, arguments = tensors.create
    given = {
        "input_size": (3, preprocessing.size, preprocessing.size), "mean": tuple(preprocessing.mean),
        "std": tuple(preprocessing.std), "interpolation": "bilinear", "crop_pct": 1.0, "crop_mode": "squash",
    }  # fmt: skip
    labels = {"label_names": json.loads((folder / LABELS).read_text(encoding="utf-8"))}
    model = timm.create_model(name, pretrained_cfg_overlay=given, **arguments)
    model.load_state_dict(tensors.state)
    save_for_hf(model, str(place), model_config=labels, safe_serialization=True)
    (place / CARD).write_text(FRONT + (folder / CARD).read_text(encoding="utf-8"), encoding="utf-8")
