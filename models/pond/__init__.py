"""The pond process model: weather, water and probes of a shrimp pond, seeded and repeatable."""

from models.pond import scenario
from models.pond.parameters import Parameters, estuary, shrimp_pond
from models.pond.probe import Fault, FaultKind, Probe, Probes
from models.pond.process import Pond
from models.pond.scenario import Scenario

__all__ = ["Fault", "FaultKind", "Parameters", "Pond", "Probe", "Probes", "Scenario", "estuary", "scenario", "shrimp_pond"]
