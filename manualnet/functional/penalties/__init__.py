"""Penalties on parameters: what is added to a loss so that simple weights win."""

from manualnet.functional.penalties.elastic_net import elastic_net
from manualnet.functional.penalties.l1 import l1_penalty
from manualnet.functional.penalties.l2 import l2_penalty

__all__ = ["elastic_net", "l1_penalty", "l2_penalty"]
