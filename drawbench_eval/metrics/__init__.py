"""Metrics: update with images and prompts, merge across shards, compute value, interval and columns."""

from drawbench_eval.metrics.base import EvalMetric, MetricResult, MetricValue
from drawbench_eval.metrics.registry import MetricContext, known_metrics, make_metric

__all__ = ["EvalMetric", "MetricContext", "MetricResult", "MetricValue", "known_metrics", "make_metric"]
