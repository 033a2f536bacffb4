"""PLCs over Modbus TCP: a reporter that is the client of a PLC's registers or coils."""

from bridge_modbus.options import ModbusOptions, SimpleMap
from bridge_modbus.reporter import open_reporter

__all__ = ["ModbusOptions", "SimpleMap", "open_reporter"]
