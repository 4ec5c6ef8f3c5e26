from drawbench_eval.analysis.assumptions import assumptions


def test_only_what_occurs_is_assumed():
    factors = {"model.num_steps": 16, "model.sr64.num_steps": 6, "model.eta": None, "model.percentile": 0.995}
    found = assumptions(factors, ["fd_scenes"])
    assert [a.name for a in found] == ["model.num_steps", "model.sr64.num_steps", "fd_scenes"]
    assert found[0].value == 16
    assert "FID" in found[-1].text


def test_the_percentile_that_the_paper_prints_is_not_an_assumption():
    assert assumptions({"model.percentile": 0.995}, []) == ()
