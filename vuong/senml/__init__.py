"""Sensor Measurement Lists (SenML, RFC 8428) in JSON and CBOR."""

from vuong.senml.records import Record, SenMLError

__all__ = ["Record", "SenMLError"]
