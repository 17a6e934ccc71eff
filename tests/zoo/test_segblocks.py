from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.adaptive.decisions import Everything, Replayed
from segbench.adaptive.inference import infer
from segbench.adaptive.policies import parse_policy
from segbench.errors import UserError
from segbench.layers.pixel_loss import PixelLoss
from segbench.meters.operations import count_operations
from segbench.zoo import Moment
from segbench.zoo.blocks import resize
from segbench.zoo.segblocks import SegBlocks, losses_of_blocks, policy_loss

CLASSES, BLOCK = 5, 64


def network() -> SegBlocks:
    torch.manual_seed(0)
    return SegBlocks(CLASSES, BLOCK, width=4, decoder_width=9, policy_width=4).eval()


def images(height: int = 128, width: int = 192, count: int = 2) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(1))


def chosen(*high: tuple[int, int]) -> Tensor:
    found = torch.zeros(2, 3, dtype=torch.bool)
    for place in high:
        found[place] = True
    return found


def test_all_blocks_high_are_the_dense_network() -> None:
    net = network()
    with torch.no_grad():
        dense, every = net.dense(images()), torch.ones(2, 2, 3, dtype=torch.bool)
        assert torch.equal(infer(net, images(), Everything()).scores, dense)
        assert torch.allclose(net.in_blocks(images(), every), dense, atol=1e-5)


def test_all_blocks_low_are_the_dense_network_on_the_half_size_image() -> None:
    net = network()
    low = infer(net, images(), Replayed("low", [(chosen(),)] * 2)).scores
    with torch.no_grad():
        dense = resize(net.dense(functional.avg_pool2d(images(), 2)), (32, 48))
        assert torch.equal(low, dense)
        assert torch.allclose(net.in_blocks(images(), torch.stack([chosen()] * 2)), dense, atol=1e-5)


def test_the_dense_network_costs_what_is_published() -> None:
    """103.6 billion multiply-adds at 2048x1024 (the authors' README; norms and the like are ours to leave out)."""
    with torch.device("meta"):
        net, image = SegBlocks(classes=19).eval(), torch.empty(1, 3, 1024, 2048)
    assert count_operations(net, lambda: net.dense(image)).total_macs / 1e9 == pytest.approx(103.6, rel=0.005)


def test_a_low_block_costs_a_quarter() -> None:
    """Beside the policy network and the pyramid pooling, which sees the whole image."""
    net = network()

    def macs(*high: tuple[int, int]) -> int:
        policy = Replayed("chosen", [(chosen(*high),)])
        return count_operations(net, lambda: infer(net, images(count=1), policy)).total_macs

    signal, pyramid = (
        count_operations(net, compute).total_macs
        for compute in (lambda: net.logits(images(count=1)), lambda: net.context(torch.randn(1, 32, 4, 6)))
    )
    dense = count_operations(net, lambda: net.dense(images(count=1))).total_macs
    two_of_six = (dense - pyramid) * (2 + 4 / 4) / 6
    assert macs((0, 1), (1, 2)) == signal + pyramid + two_of_six
    everywhere = macs(*((row, column) for row in range(2) for column in range(3)))
    assert everywhere == signal + dense


def test_blocks_of_a_batch_are_chosen_image_by_image() -> None:
    net = network()
    choices = [(chosen((0, 0), (1, 1)),), (chosen((0, 1)),)]
    together = infer(net, images(), Replayed("both", choices)).scores
    alone = [
        infer(net, image[None], Replayed("one", [own])).scores for image, own in zip(images(), choices, strict=True)
    ]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)
    assert not torch.allclose(together, infer(net, images(), Everything()).scores, atol=1e-3)


def test_an_images_scores_do_not_depend_on_its_batch_mates() -> None:
    net, batch = network(), images(count=4)
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = 1.0
    net.train().dense(batch)  # so that what is pooled tells in the scores
    net.eval()
    high = torch.stack([chosen(), chosen((0, 1)), ~chosen(), chosen((1, 0), (1, 2))])
    with torch.no_grad():
        together = net.scores(batch, high)
        alone = [net.scores(image[None], own[None]) for image, own in zip(batch, high, strict=True)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)


def test_blocks_of_one_resolution_are_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    net, mixed, cut = network(), chosen((0, 1)), []
    in_blocks = net.in_blocks

    def noted(images: Tensor, high: Tensor) -> Tensor:
        cut.append(high)
        return in_blocks(images, high)

    monkeypatch.setattr(net, "in_blocks", noted)
    with torch.no_grad():
        net.scores(images(count=3), torch.stack([chosen(), mixed, ~chosen()]))
    assert torch.equal(torch.cat(cut), mixed[None])


def test_the_policy_has_one_logit_a_block_and_its_default_is_their_sign() -> None:
    net, (image,) = network(), images(count=1)
    run = net.begin(image[None])
    run.advance()
    assert run.shape == run.signal().shape == (1, 2, 3)
    by_sign = infer(net, image[None], Replayed("sign", [(run.signal()[0] >= 0,)])).scores
    assert torch.equal(infer(net, image[None], parse_policy(net.default_policy)).scores, by_sign)


def test_images_are_filled_up_and_scores_cut_back() -> None:
    net = network()
    for size, cut in (((100, 150), (100, 150)), ((100, 152), (25, 38))):
        scores = infer(net, images(*size), Everything()).scores
        with torch.no_grad():
            whole = net.dense(functional.pad(images(*size), (0, 192 - size[1], 0, 128 - size[0])))
        assert scores.shape[-2:] == cut
        full = resize(whole, (128, 192))[..., : size[0] - 4, : size[1] - 4]
        assert torch.allclose(resize(scores, size)[..., :-4, :-4], full, atol=1e-4)


def test_an_image_smaller_than_a_block_is_refused() -> None:
    with pytest.raises(UserError, match="image of 100x60 is smaller than a block of 64 pixels"):
        network()(images(60, 100))
    with pytest.raises(UserError, match="block of 100 pixels cannot be halved at stride 32; choose 64, 128"):
        SegBlocks(block=100)


def test_there_are_no_scores_before_the_blocks_are_computed() -> None:
    with pytest.raises(UserError, match="not for SegBlocks: there are no scores before"):
        infer(network(), images(), parse_policy("entropy<0.1"))


def test_a_blocks_loss_is_the_mean_over_its_labelled_pixels() -> None:
    scores = torch.zeros(1, 2, 2, 3)
    scores[0, 1, :, 2] = 3.0
    targets = torch.tensor([[[0, 255, 0], [0, 255, 1]]])
    losses = losses_of_blocks(scores, targets, None, (4, 4), (2, 2))
    two, wrong, right = 0.6931472, 3.0485873, 0.0485873
    assert losses.flatten().tolist() == pytest.approx([two, (wrong + right) / 2, 0, 0])


def test_reinforce_makes_better_choices_likelier() -> None:
    """Mean loss 2; a share of a half, 0.1 over the target: the advantage of high is loss - 2 - 0.1."""
    logits = torch.zeros(1, 2, 2, requires_grad=True)
    high = torch.tensor([[[True, False], [True, False]]])
    losses = torch.tensor([[[4.0, 4.0], [1.0, -1.0]]])
    loss = policy_loss(logits, high, losses, target=0.4, sparsity_weight=1.0)
    advantages = torch.tensor([[[1.9, -1.9], [-1.1, 3.1]]])
    assert float(loss.detach()) == pytest.approx(float((0.6931472 * advantages).mean()))
    loss.backward()
    assert logits.grad is not None
    assert torch.allclose(logits.grad, torch.tensor([[[-1.9, -1.9], [1.1, 3.1]]]) / 2 / 4)


def test_training_teaches_the_network_and_the_policy() -> None:
    net, loss = network().train(), PixelLoss()
    targets = torch.randint(0, CLASSES, (2, 50, 76))
    net.supervise(images(100, 152), targets, loss, Moment(0.0, 0.5)).backward()
    assert [name for name, weight in net.named_parameters() if weight.grad is None or not weight.grad.any()] == []
