import logging

import pytest
import torch

from sonoloop.errors import ConfigError
from sonoloop.networks import proxy
from sonoloop.networks.proxy import FrozenEncoder, ProxyDecoder, frozen_encoder


@pytest.fixture(scope="module")
def encoder() -> FrozenEncoder:
    return frozen_encoder("random")


class TestEncoder:
    def test_maps_halve_from_a_quarter_of_the_side(self, encoder: FrozenEncoder) -> None:
        maps = encoder(torch.zeros(2, 1, 64, 64))

        assert [tuple(one.shape[-2:]) for one in maps] == [(16, 16), (8, 8), (4, 4), (2, 2)]
        assert tuple(one.shape[1] for one in maps) == encoder.channels

    def test_chance_gives_the_same_encoder_again_and_leaves_torch_alone(
        self, encoder: FrozenEncoder
    ) -> None:
        torch.manual_seed(7)
        expected = torch.rand(1)
        torch.manual_seed(7)

        again = frozen_encoder("random")

        assert torch.equal(torch.rand(1), expected)
        first, second = (next(iter(e.parameters())) for e in (encoder, again))
        assert torch.equal(first, second)
        assert "random" in again.source

    def test_nothing_of_it_is_trained(self, encoder: FrozenEncoder) -> None:
        assert not any(parameter.requires_grad for parameter in encoder.parameters())
        assert not encoder.encoder.training

    def test_an_unknown_one_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="unknown frozen encoder 'resnet'"):
            frozen_encoder("resnet")

    def test_without_weights_on_the_machine_chance_stands_in(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def absent(network: torch.nn.Module) -> None:
            raise ConfigError(["weights are not on this machine"])

        monkeypatch.setattr(proxy, "start_from_imagenet", absent)
        with caplog.at_level(logging.WARNING):
            found = frozen_encoder("auto")

        assert "random" in found.source
        assert caplog.text.count("not on this machine") == len(proxy.ENCODERS)

    def test_one_that_is_named_must_be_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def absent(network: torch.nn.Module) -> None:
            raise ConfigError(["weights are not on this machine"])

        monkeypatch.setattr(proxy, "start_from_imagenet", absent)

        with pytest.raises(ConfigError, match="not on this machine"):
            frozen_encoder("mobilenetv2")


class TestDecoder:
    def maps(self, seed: int = 0) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return [
            torch.randn(2, channels, side, side, generator=generator)
            for channels, side in ((3, 16), (4, 8), (5, 4), (6, 2))
        ]

    def test_every_member_has_a_map_of_its_own(self) -> None:
        torch.manual_seed(0)
        decoder = ProxyDecoder((3, 4, 5, 6), (8, 6, 4), members=3).eval()

        logits = decoder(self.maps())

        assert logits.shape == (2, 3, 16, 16)
        assert not torch.allclose(logits[:, 0], logits[:, 1])

    def test_members_do_not_hear_of_one_another(self) -> None:
        torch.manual_seed(0)
        decoder = ProxyDecoder((3, 4, 5, 6), (8, 6, 4), members=2).eval()

        decoder(self.maps())[:, 0].sum().backward()

        for layer in decoder.lateral:
            gradient = layer.weight.grad
            assert isinstance(gradient, torch.Tensor)
            first, second = gradient.chunk(2)
            assert first.abs().max() > 0
            assert second.abs().max() == 0
