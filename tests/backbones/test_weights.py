"""Weights from a file and from the hub: what fits is loaded, what does not is refused, nothing is silently random."""

import pytest
import timm
import torch
from safetensors.torch import save_file

from backbones import weights
from backbones.errors import BackboneError
from backbones.network import build
from tests.process import script


def _saved(path, name, change=None, **arguments):
    """Write a real timm model, its own classifier included."""
    torch.manual_seed(11)
    state = {key: tensor.contiguous() for key, tensor in timm.create_model(name, **arguments).state_dict().items()}
    if change:
        change(state)
    save_file(state, path)
    return state


@pytest.mark.parametrize("name", ["resnet10t", "mobilenetv3_small_100"])
@pytest.mark.parametrize("classifier", ["linear", "attention"])
def test_a_timm_file_is_loaded_to_the_bit_and_its_classifier_dropped(tmp_path, name, classifier):
    state = _saved(tmp_path / "w.safetensors", name)
    network = build(f"{name}:{classifier}", 4, image_size=32, seed=0, weights=tmp_path / "w.safetensors")
    assert all(torch.equal(tensor, state[key]) for key, tensor in network.encoder.state_dict().items())
    plain = build(f"{name}:{classifier}", 4, image_size=32, seed=0)
    assert all(map(torch.equal, network.classifier.parameters(), plain.classifier.parameters()))


def test_weights_written_in_half_precision_are_read_as_first_weights(tmp_path, monkeypatch):
    state = _saved(tmp_path / "w.safetensors", "resnet10t")
    found = weights.FirstWeights(tmp_path / "w.safetensors", "hub")
    monkeypatch.setattr(weights, "find_imagenet", lambda backbone: found)
    weights.write_half("resnet10t", tmp_path / "half.safetensors")
    assert (tmp_path / "half.safetensors").stat().st_size < 0.55 * found.path.stat().st_size
    network = build("resnet10t", 4, image_size=32, seed=0, weights=tmp_path / "half.safetensors")
    for key, tensor in network.encoder.state_dict().items():
        assert tensor.dtype == state[key].dtype
        torch.testing.assert_close(tensor, state[key], rtol=1e-3, atol=1e-6)
    with pytest.raises(BackboneError, match="give it that ending"):
        weights.write_half("resnet10t", tmp_path / "half.pth")


def test_position_embeddings_are_resampled_to_the_image_size(tmp_path):
    state = _saved(tmp_path / "w.safetensors", "vit_tiny_patch16_224", img_size=64)
    network = build("vit_tiny_patch16_224", 4, image_size=32, seed=0, weights=tmp_path / "w.safetensors")
    assert torch.equal(network.encoder.blocks[0].mlp.fc1.weight, state["blocks.0.mlp.fc1.weight"])
    positions_1TF = network.encoder.pos_embed
    assert positions_1TF.shape == (1, 1 + 4, 192)
    torch.testing.assert_close(positions_1TF[:, 0], state["pos_embed"][:, 0])
    assert torch.corrcoef(torch.stack([positions_1TF[0, 1], state["pos_embed"][0, [1, 2, 5, 6]].mean(0)]))[0, 1] > 0.7


def _rename(state):
    state["layer1.0.konv1.weight"] = state.pop("layer1.0.conv1.weight")


def _reshape(state):
    state["layer1.0.conv1.weight"] = state["layer1.0.conv1.weight"][:1].clone()


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("resnet10t", _rename, "2 keys are missing, unknown or of another shape, the first is 'layer1.0.conv1.weight'"),
        ("resnet10t", _reshape, "1 keys"),
        ("resnet18", None, "does not fit resnet10t"),
        ("vit_tiny_patch16_224", None, "does not fit resnet10t"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, name, change, said):
    _saved(tmp_path / "w.safetensors", name, change)
    with pytest.raises(BackboneError) as refusal:
        build("resnet10t", 4, image_size=32, seed=0, weights=tmp_path / "w.safetensors")
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_files_of_another_kind_are_refused(tmp_path):
    torch.save({}, tmp_path / "w.bin")
    (tmp_path / "spoilt.safetensors").write_bytes(b"\x00" * 50)
    for name, said in [
        ("w.bin", "not a .safetensors file"),
        ("spoilt.safetensors", "cannot be read"),
        ("absent.safetensors", "cannot be read"),
    ]:
        with pytest.raises(BackboneError, match=said):
            build("resnet10t", 4, image_size=32, seed=0, weights=tmp_path / name)


HUB = """
import http.server, sys, threading, pathlib
for name in [name for name in sys.modules if name.startswith("huggingface_hub")]:
    del sys.modules[name]  # it reads the environment when it is imported
from backbones.errors import BackboneError

body = pathlib.Path(sys.argv[1]).read_bytes()

class Hub(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        found = "resnet10t" in self.path and self.path.endswith("/model.safetensors")
        self.send_response(200 if found else 404)
        if found:
            for name, value in {"ETag": '"1"', "X-Repo-Commit": "0" * 40, "Content-Length": len(body)}.items():
                self.send_header(name, str(value))
        else:
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
        self.end_headers()
        return found

    def do_GET(self):
        if self.do_HEAD():
            self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Hub)
threading.Thread(target=server.serve_forever, daemon=True).start()

import torch
from safetensors.torch import load_file
from backbones.network import build

before = torch.get_rng_state()
network = build("resnet10t", 4, image_size=32, seed=0, weights="imagenet")
assert torch.equal(torch.get_rng_state(), before)
state = load_file(sys.argv[1])
assert all(torch.equal(tensor, state[key]) for key, tensor in network.encoder.state_dict().items())
print("loaded")
def refused():
    try:
        build("resnet18", 4, image_size=32, seed=0, weights="imagenet")
    except BackboneError as error:
        print(error)
refused()
server.shutdown()
server.server_close()
refused()
build("resnet10t", 4, image_size=32, seed=0, weights="imagenet")
print("still in the cache")
"""


def test_imagenet_weights_come_from_the_hub_and_a_hub_that_is_not_there_is_said(tmp_path, free_port, monkeypatch):
    _saved(tmp_path / "w.safetensors", "resnet10t")
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free_port}")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    done = script(tmp_path, HUB, tmp_path / "w.safetensors", free_port)
    assert done.returncode == 0, done.stderr
    loaded, *refusals, cached = done.stdout.splitlines()
    assert (loaded, cached) == ("loaded", "still in the cache")
    assert len(refusals) == 2
    for sentence in refusals:
        assert sentence.startswith("ImageNet weights for resnet18 could not be fetched (")
        assert sentence.endswith("; give them with --weights FILE.safetensors")


@pytest.fixture
def free_port():
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
