import pytest
import torch

from drawbench_eval.generators import device as module
from drawbench_eval.generators.device import resolve_device, resolve_precision


@pytest.mark.parametrize(
    ("capabilities", "became"),
    [
        ({"avx512_bf16": True, "cpu_name": "AMD EPYC"}, "bfloat16"),
        ({"avx512_bf16": True, "amx_bf16": True, "cpu_name": "Intel Xeon"}, "bfloat16"),
        ({"avx512_bf16": True, "amx_bf16": False, "cpu_name": "Intel Xeon"}, "float32"),
        ({"bf16": True, "cpu_name": "Neoverse"}, "bfloat16"),
        ({"avx512_bf16": False, "avx2": True, "cpu_name": "AMD EPYC"}, "float32"),
    ],
)
def test_auto_is_bfloat16_only_where_it_is_faster(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool | str], became: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert resolve_precision("auto", "cpu") == became
    assert resolve_precision("float32", "cpu") == "float32"
    assert resolve_precision("bfloat16", "cpu") == "bfloat16"


def test_this_machine_is_read_without_a_fault() -> None:
    assert resolve_precision("auto", "cpu") in module.PRECISIONS


@pytest.mark.parametrize("name", ["float16", "", "BF16"])
def test_other_precisions_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^precision: .* is not one of auto, float32, bfloat16"):
        resolve_precision(name, "cpu")


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == "cpu"
    with pytest.raises(ValueError, match=r"^device: cuda is not there; write device=cpu"):
        resolve_device("cuda")
    with pytest.raises(ValueError, match=r"^device: tpu is not one of auto, cpu, cuda"):
        resolve_device("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == "cuda"


def test_on_cuda_float32_is_float32_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    switches = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [switch.allow_tf32 for switch in switches]

    def allowed(device: str) -> list[bool]:
        for switch in switches:
            switch.allow_tf32 = True
        resolve_device(device)
        return [switch.allow_tf32 for switch in switches]

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    try:
        assert allowed("cpu") == [True, True]
        for device in ("auto", "cuda", "cuda:0"):
            assert allowed(device) == [False, False]
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.allow_tf32 = value
