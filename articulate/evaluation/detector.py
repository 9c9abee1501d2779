"""What keypoints are worth, measured with labels that no training has seen, and how a detector bears disturbance."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from articulate.errors import DataError
from articulate.keypoints.soft_argmax import whole_moments

Detect = Callable[[Tensor], Tensor]


def class_accuracy(
    train_xy: Float[Tensor, "N K 2"],
    train_label: Int[Tensor, " N"],
    test_xy: Float[Tensor, "M K 2"],
    test_label: Int[Tensor, " M"],
    generator: torch.Generator,
    *,
    epochs: int = 30,
    hidden: int = 256,
) -> float:
    """Share of test images whose class a small network (2K->hidden->hidden->classes) tells from keypoints alone.

    Keypoints are standardised by the training set, with a floor of 0.02 on the deviation (frame units), below which
    movement is noise; a little noise on the inputs and a one-cycle rate, no early stopping on the test set.
    """
    inputs, classes = train_xy[0].numel(), int(train_label.max()) + 1
    network = seeded_network([inputs, hidden, hidden, classes], generator)
    centre, spread = train_xy.mean(0), train_xy.std(0).clamp_min(0.02)
    train, test = ((train_xy - centre) / spread).flatten(1), ((test_xy - centre) / spread).flatten(1)

    def loss(chosen: Tensor) -> Tensor:
        noise = 0.03 * torch.randn(len(chosen), inputs, generator=generator, dtype=train.dtype)
        return functional.cross_entropy(network(train[chosen] + noise), train_label[chosen], label_smoothing=0.02)

    fit(network, loss, len(train), generator, epochs=epochs)
    with torch.no_grad():
        return float((network(test).argmax(-1) == test_label).double().mean())


def action_accuracy(
    train: Float[Tensor, "N T K 2"],
    train_label: Int[Tensor, " N"],
    test: Float[Tensor, "M T K 2"],
    test_label: Int[Tensor, " M"],
    generator: torch.Generator,
    *,
    epochs: int = 30,
    hidden: int = 96,
) -> float:
    """Share of test sequences whose action an LSTM tells from T frames of keypoints (Harris 2024, section 4)."""
    classes = int(train_label.max()) + 1
    network = ActionNetwork(train.shape[2] * 2, hidden, classes)
    reset_parameters(network, generator)
    centre, spread = train.mean((0, 1)), train.std((0, 1)).clamp_min(0.02)
    train, test = ((train - centre) / spread).flatten(2), ((test - centre) / spread).flatten(2)

    def loss(chosen: Tensor) -> Tensor:
        return functional.cross_entropy(network(train[chosen]), train_label[chosen])

    fit(network, loss, len(train), generator, epochs=epochs, batch=32)
    with torch.no_grad():
        return float((network(test).argmax(-1) == test_label).double().mean())


class ActionNetwork(nn.Module):
    """LSTM over keypoints and their velocities; the mean of its outputs decides."""

    def __init__(self, inputs: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.recurrent = nn.LSTM(2 * inputs, hidden, batch_first=True)
        self.head = nn.Linear(hidden, classes)

    def forward(self, sequence: Float[Tensor, "N T D"]) -> Float[Tensor, "N C"]:
        """Scores of the actions."""
        velocity = functional.pad(sequence[:, 1:] - sequence[:, :-1], (0, 0, 1, 0))
        return self.head(self.recurrent(torch.cat([sequence, velocity], -1))[0].mean(1))


def landmark_regression_error(
    fit_xy: Float[Tensor, "N K 2"],
    fit_landmarks: Float[Tensor, "N P 2"],
    test_xy: Float[Tensor, "M K 2"],
    test_landmarks: Float[Tensor, "M P 2"],
    *,
    ridge: float = 1.0e-4,
) -> float:
    """Mean distance, in % of the image side, of landmarks predicted by one linear map (with bias) of all keypoints.

    Landmarks in the image frame, NaN where unlabelled: a landmark is fitted on the frames that show it. Raises
    DataError when a landmark is labelled in fewer frames than the map has unknowns per output.
    """
    features = torch.cat([fit_xy.flatten(1), torch.ones_like(fit_xy[:, :1, 0])], 1).double()
    wanted = torch.cat([test_xy.flatten(1), torch.ones_like(test_xy[:, :1, 0])], 1).double()
    errors = []
    for p in range(fit_landmarks.shape[1]):
        seen = torch.isfinite(fit_landmarks[:, p]).all(-1)
        if int(seen.sum()) < features.shape[1]:
            raise DataError(
                f"landmark {p} is labelled in {int(seen.sum())} frames; a linear map from {fit_xy.shape[1]} keypoints "
                f"needs at least {features.shape[1]}"
            )
        a, b = features[seen], fit_landmarks[seen, p].double()
        penalty = ridge * len(a) * torch.eye(a.shape[1], dtype=a.dtype)
        penalty[-1, -1] = 0
        map_ = torch.linalg.solve(a.T @ a + penalty, a.T @ b)
        visible = torch.isfinite(test_landmarks[:, p]).all(-1)
        errors.append((wanted[visible] @ map_ - test_landmarks[visible, p].double()).norm(dim=-1))
    return float(torch.cat(errors).mean()) * 50


def heatmap_elongation(heatmaps: Float[Tensor, "N K H W"], temperature: float = 1.0) -> Float[Tensor, " K"]:
    """Mean ratio of the larger to the smaller eigenvalue of the Gaussian fitted to each softmax heatmap (1 = round)."""
    _, covariance = whole_moments(heatmaps.double() / temperature)
    values = torch.linalg.eigvalsh(covariance).clamp_min(1.0e-6)
    return (values[..., 1] / values[..., 0]).mean(0).to(heatmaps.dtype)


def rotation_error(detect: Detect, images: Float[Tensor, "N C H W"], angles: list[float]) -> dict[float, float]:
    """For each angle (rad) the mean distance, in % of the image side, between turned keypoints and those of the turned
    image; images are turned about the centre inside their own frame, corners repeat the edge."""
    with torch.no_grad():
        upright = detect(images)
        found = {}
        for angle in angles:
            turn = images.new_tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
            backward = torch.cat([turn.T, turn.new_zeros(2, 1)], 1).expand(len(images), -1, -1)
            grid = functional.affine_grid(backward, list(images.shape), align_corners=False)
            turned = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
            found[angle] = float((detect(turned) - upright @ turn.T).norm(dim=-1).mean()) * 50
        return found


def occlusion_error(detect: Detect, images: Float[Tensor, "N C H W"], side: float, generator: torch.Generator) -> float:
    """Mean shift, in % of the image side, of keypoints that are *not* under a random mean-coloured square.

    `side` is the square's side as a share of the image side.
    """
    number, _, height, width = images.shape
    centre = torch.rand(number, 2, generator=generator).to(images) * 2 - 1
    x = (2 * torch.arange(width).to(images) + 1) / width - 1
    y = (2 * torch.arange(height).to(images) + 1) / height - 1
    inside = ((x - centre[:, :1]).abs() <= side)[:, None, None, :] & ((y - centre[:, 1:]).abs() <= side)[
        :, None, :, None
    ]
    with torch.no_grad():
        before = detect(images)
        after = detect(torch.where(inside, images.mean((-2, -1), keepdim=True), images))
        visible = ((before - centre[:, None]).abs() > side).any(-1)
        return float((after - before).norm(dim=-1)[visible].mean()) * 50


def seeded_network(sizes: list[int], generator: torch.Generator) -> nn.Sequential:
    """Linear layers with ReLU between them, initialised from `generator`."""
    layers: list[nn.Module] = []
    for inputs, outputs in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    network = nn.Sequential(*layers[:-1])
    reset_parameters(network, generator)
    return network


def reset_parameters(network: nn.Module, generator: torch.Generator) -> None:
    """Uniform in +-1 / sqrt(last axis), torch's own range for linear layers, drawn from `generator`."""
    with torch.no_grad():
        for parameter in network.parameters():
            bound = 1 / math.sqrt(parameter.shape[-1])
            parameter.uniform_(-bound, bound, generator=generator)


def fit(
    network: nn.Module,
    loss: Callable[[Tensor], Tensor],
    number: int,
    generator: torch.Generator,
    *,
    epochs: int,
    batch: int = 250,
    rate: float = 5.0e-3,
) -> None:
    """AdamW with a one-cycle rate over shuffled batches; `loss` takes the chosen row numbers."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1.0e-2, fused=True)
    per_epoch = max(1, number // batch)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, epochs * per_epoch)
    for _ in range(epochs):
        order = torch.randperm(number, generator=generator)
        for chosen in order[: per_epoch * batch].split(batch):
            optimiser.zero_grad()
            loss(chosen).backward()
            optimiser.step()
            cycle.step()
