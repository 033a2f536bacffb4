"""PLCs over Modbus TCP: a source that a PLC triggers, and a reporter beside an inspector."""

from bridge_modbus.options import ModbusOptions, ModbusSourceOptions, SimpleMap
from bridge_modbus.reporter import open_reporter
from bridge_modbus.source import open_source

__all__ = ["ModbusOptions", "ModbusSourceOptions", "SimpleMap", "open_reporter", "open_source"]
