import io

import numpy as np
import pandas as pd

from drawbench_eval.report.spots import as_csv


def test_every_text_is_one_cell_and_numbers_are_as_pandas_writes_them():
    texts = ["a\rb", 'say "x", y', "two\nlines", None, "=1+1"]
    frame = pd.DataFrame({"text": texts, "n": range(5), "value": [0.1, np.nan, 1e-17, 2.0, 1 / 3]})
    written = as_csv(frame)
    assert written.startswith('text,n,value\n"a\rb",0,0.1\n')
    again = pd.read_csv(io.StringIO(written, newline=""))
    pd.testing.assert_frame_equal(again, frame, check_dtype=False)
    plain = frame.drop(columns="text")
    assert as_csv(plain) == plain.to_csv(index=False, lineterminator="\n")
    assert as_csv(plain.head(0)) == "n,value\n"
