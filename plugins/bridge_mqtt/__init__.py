"""Old inspectors and MES over an MQTT broker: a source that takes parts and a reporter that publishes results."""

from bridge_mqtt.options import MqttReporterOptions, MqttSourceOptions
from bridge_mqtt.reporter import open_reporter
from bridge_mqtt.source import open_source

__all__ = ["MqttReporterOptions", "MqttSourceOptions", "open_reporter", "open_source"]
