"""Features of a product's name, alone or with those of the image. B batch, T words, D embedding, H hidden, F features.

Names are token ids, int [B, T]: 0 is padding at the end, 1 the unknown word; every row has at least one word.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from backbones.network import Network, seeded
from backbones.registry import parse

EMBEDDING_SIZE, HIDDEN_SIZE, FUSED_SIZE = 128, 128, 512
WORD_DROPOUT, DROPOUT = 0.1, 0.3
_REPRESENTATION = ("encoder", "pool", "text", "fusion")


class TextEncoder(nn.Module):
    """A bidirectional GRU over a name's words, then the maximum and the mean over them: [B, T] to [B, 4 H].

    Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", EMNLP 2014, arXiv:1406.1078, section 2.3
    (the GRU), in torch's form. Sequences are packed, so padding is never computed, and neither maximum nor mean sees
    it. In training a word is replaced by the unknown word with probability `word_dropout`, so that the latter is
    learnt, and embeddings are dropped with probability `dropout`. Computed in float32 under any autocast.
    """

    def __init__(
        self,
        vocabulary: int,
        embedding_size: int = EMBEDDING_SIZE,
        hidden_size: int = HIDDEN_SIZE,
        word_dropout: float = WORD_DROPOUT,
        dropout: float = DROPOUT,
    ) -> None:
        """Embed `vocabulary` token ids, including padding and the unknown word."""
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding_size, padding_idx=0)
        self.dropout = nn.Dropout(dropout)
        self.gru = nn.GRU(embedding_size, hidden_size, batch_first=True, bidirectional=True)
        self.word_dropout = word_dropout
        self.feature_size = 4 * hidden_size

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Return features [B, 4 H], float32."""
        real_BT = tokens_BT != 0
        lengths_B = real_BT.sum(1)
        if self.training and self.word_dropout:
            lost_BT = torch.rand(tokens_BT.shape, device=tokens_BT.device) < self.word_dropout
            tokens_BT = tokens_BT.masked_fill(lost_BT & real_BT, 1)
        with torch.autocast(tokens_BT.device.type, enabled=False):
            embedded_BTD = self.dropout(self.embedding(tokens_BT))
            packed = pack_padded_sequence(embedded_BTD, lengths_B.cpu(), batch_first=True, enforce_sorted=False)
            states_BTH, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True)
            real_BT1 = real_BT[:, : states_BTH.shape[1], None]
            most_BH = states_BTH.masked_fill(~real_BT1, float("-inf")).amax(1)
            return torch.cat([most_BH, states_BTH.sum(1) / lengths_B[:, None]], dim=1)


class NameNetwork(Network):
    """A network that reads the name and never sees the image: its encoder is a `TextEncoder`, the classifier linear."""

    def __init__(self, vocabulary: int, num_classes: int, seed: int) -> None:
        """Start from the seed, on the CPU."""
        with seeded(seed, "text"):
            encoder = TextEncoder(vocabulary)
        with seeded(seed, "classifier"):
            classifier = nn.Linear(encoder.feature_size, num_classes)
        super().__init__(encoder, nn.Identity(), classifier, feature_size=encoder.feature_size, spec="text")

    def features(self, images_BCHW: Tensor, tokens_BT: Tensor | None = None) -> Tensor:
        """Return the name's features [B, F]."""
        return self.encoder(_given(tokens_BT))


class FusionNetwork(Network):
    """Image and name: both encodings concatenated, a fully connected layer, then the spec's classifier.

    `fusion` is linear to 512 - batch norm - ReLU - dropout 0.2, like the hidden layer of `mlp1`. It is part of the
    representation, like attention pooling: features are its output, and the next stage keeps it.
    """

    def __init__(self, network: Network, vocabulary: int, num_classes: int, seed: int) -> None:
        """Use the encoder and pooling of `network`; everything else is initialised from the seed, on the CPU."""
        with seeded(seed, "text"):
            text = TextEncoder(vocabulary)
        with seeded(seed, "fusion"):
            fusion = nn.Sequential(
                nn.Linear(network.feature_size + text.feature_size, FUSED_SIZE, bias=False),
                nn.BatchNorm1d(FUSED_SIZE),
                nn.ReLU(inplace=True),
                nn.Dropout(0.2),
            )
        with seeded(seed, "classifier"):
            classifier = parse(network.spec).classifier.layers(FUSED_SIZE, num_classes)
        super().__init__(network.encoder, network.pool, classifier, feature_size=FUSED_SIZE, spec=network.spec)
        self.text, self.fusion = text, fusion

    def features(self, images_BCHW: Tensor, tokens_BT: Tensor | None = None) -> Tensor:
        """Return the fused features [B, 512]."""
        image_BF = self.pool(self.encoder(images_BCHW))
        return self.fusion(torch.cat([image_BF, self.text(_given(tokens_BT))], dim=1))


def carry(network: Network, tensors: Mapping[str, Tensor]) -> None:
    """Load the representation of an earlier stage's state into `network`; its classifier does not change.

    Where the vocabulary has grown, the earlier words come first and are loaded; new words keep their initial embedding.
    """
    state = network.state_dict()
    for name, tensor in tensors.items():
        if name.split(".")[0] in _REPRESENTATION:
            grown = name.endswith("embedding.weight")
            state[name] = torch.cat([tensor, state[name][len(tensor) :]]) if grown else tensor
    network.load_state_dict(state)


def reading_parameters(network: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that read names: all of a `NameNetwork`'s, the text encoder's of a `FusionNetwork`."""
    if isinstance(network, NameNetwork):
        return list(network.parameters())
    return list(network.text.parameters()) if isinstance(network, FusionNetwork) else []


def _given(tokens_BT: Tensor | None) -> Tensor:
    """Return the names as int64; raises `ValueError` where there are none."""
    if tokens_BT is None:
        raise ValueError("this network reads names, and none were given")
    return tokens_BT.long()
