"""The residual networks that He et al. trained on CIFAR: 6n + 2 layers, 16 to 64 channels. B batch, H W pixels."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)  # as the long-tailed codebases normalise CIFAR


class Block(nn.Module):
    """Two 3x3 convolutions with batch norm, and a shortcut without parameters (option A)."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        """Map `channels_in` to `channels`, the image's side divided by `stride`."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.stride, self.more = stride, channels - channels_in

    def forward(self, x_BFHW: Tensor) -> Tensor:
        """Return ReLU(F(x) + shortcut(x))."""
        y_BFHW = functional.relu(self.norm1(self.conv1(x_BFHW)))
        y_BFHW = self.norm2(self.conv2(y_BFHW))
        shortcut = x_BFHW[:, :, :: self.stride, :: self.stride]
        before = self.more // 2  # new channels are zeros, half of them in front
        return functional.relu(y_BFHW + functional.pad(shortcut, (0, 0, 0, 0, before, self.more - before)))


class CifarResNet(nn.Module):
    """Images [B, 3, H, W] to a feature map [B, 64, H/4, W/4], over which the network takes the mean.

    He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, arXiv:1512.03385, section 4.2:
    one convolution, three groups of n blocks with 16, 32 and 64 channels, the side halved between groups, option A
    shortcuts (every second pixel, zeros for new channels). Convolutions start from He's normal
    draws (fan in), as in the codebases of long-tailed learning (Cao et al., LDAM-DRW, and those after it).
    """

    def __init__(self, blocks: int) -> None:
        """Draw first weights from torch's generator; 6 * `blocks` + 2 layers with the classifier."""
        super().__init__()
        self.pretrained_cfg = {"mean": MEAN, "std": STD}
        self.conv = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        sizes = [(16, 16, 1), (16, 32, 2), (32, 64, 2)]
        self.groups = nn.Sequential(
            *(
                nn.Sequential(Block(a, b, stride), *(Block(b, b, 1) for _ in range(blocks - 1)))
                for a, b, stride in sizes
            )
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return the feature map [B, 64, H/4, W/4]."""
        return self.groups(functional.relu(self.norm(self.conv(images_BCHW))))
