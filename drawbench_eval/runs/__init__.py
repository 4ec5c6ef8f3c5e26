"""Run identity, run record, sweep record, and the runner that plans, generates, scores and resumes."""
