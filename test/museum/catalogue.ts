/** The bugs that the museum shows: one entry for each issue, with the file in test/museum whose exhibit has its address. */
export interface CatalogueEntry {
  /** Where the bug was reported. */
  readonly url: string
  /** The client that has it, or had it. */
  readonly client: string
  readonly file: string
}

/** By file, in the order of the exhibits in it; the files in configs/ show the config alone. */
export const catalogue: readonly CatalogueEntry[] = [
  { url: 'https://github.com/eclipse-paho/paho.mqtt.java/issues/1028', client: 'Eclipse Paho Java', file: 'connect.test.ts' },
  { url: 'https://github.com/faststream-community/zMQTT/pull/27', client: 'zMQTT', file: 'connect.test.ts' },
  { url: 'https://github.com/empicano/aiomqtt/issues/269', client: 'aiomqtt', file: 'connect.test.ts' },
  { url: 'https://github.com/mqttjs/MQTT.js/issues/1947', client: 'MQTT.js', file: 'connect.test.ts' },
  { url: 'https://github.com/mqttjs/MQTT.js/pull/2064', client: 'MQTT.js', file: 'connect.test.ts' },
  { url: 'https://github.com/mqttjs/MQTT.js/issues/1288', client: 'MQTT.js', file: 'sessions.test.ts' },
  { url: 'https://github.com/aws/aws-iot-device-sdk-python-v2/issues/420', client: 'AWS IoT Device SDK Python', file: 'sessions.test.ts' },
  { url: 'https://github.com/bytebeamio/rumqtt/issues/1057', client: 'rumqttc', file: 'packet-ids.test.ts' },
  { url: 'https://github.com/lpeterse/haskell-mqtt/pull/16', client: 'mosquitto_sub, rumqttc', file: 'packet-ids.test.ts' },
  { url: 'https://github.com/njh/ruby-mqtt/pull/158', client: 'ruby-mqtt', file: 'acknowledgements.test.ts' },
  { url: 'https://github.com/Azure/azure-iot-sdk-python-preview/pull/64', client: 'Azure IoT SDK Python', file: 'acknowledgements.test.ts' },
  { url: 'https://github.com/dotnet/MQTTnet/issues/970', client: 'MQTTnet', file: 'acknowledgements.test.ts' },
  { url: 'https://github.com/bytebeamio/rumqtt/issues/1060', client: 'rumqttc', file: 'acknowledgements.test.ts' },
  { url: 'https://github.com/eclipse-paho/paho.mqtt.c/issues/673', client: 'Eclipse Paho C', file: 'subscriptions.test.ts' },
  { url: 'https://github.com/eclipse-paho/paho.mqtt.java/issues/999', client: 'Eclipse Paho Java', file: 'subscriptions.test.ts' },
  { url: 'https://github.com/hivemq/hivemq-mqtt-client/issues/377', client: 'HiveMQ Java', file: 'redelivery.test.ts' },
  { url: 'https://github.com/eclipse-paho/paho.mqtt.python/issues/613', client: 'Eclipse Paho Python', file: 'redelivery.test.ts' },
  { url: 'https://github.com/eclipse-paho/paho.mqtt.golang/issues/731', client: 'Eclipse Paho Go', file: 'redelivery.test.ts' },
  { url: 'https://github.com/adafruit/Adafruit_CircuitPython_MiniMQTT/issues/115', client: 'Adafruit MiniMQTT', file: 'configs/connect.test.ts' },
  { url: 'https://github.com/hivemq/hivemq-mqtt-client/issues/408', client: 'HiveMQ Java', file: 'configs/connect.test.ts' },
  { url: 'https://github.com/jkaberg/pyBYD/pull/61', client: 'pyBYD', file: 'configs/connect.test.ts' },
  { url: 'https://github.com/mongoose-os-libs/mqtt/issues/17', client: 'mongoose-os', file: 'configs/connect.test.ts' },
  { url: 'https://github.com/emqx/CocoaMQTT/pull/688', client: 'CocoaMQTT', file: 'configs/connect.test.ts' },
  { url: 'https://github.com/eclipse-paho/paho.mqtt.golang/issues/116', client: 'Paho Go', file: 'configs/connect.test.ts' },
  { url: 'https://github.com/thin-edge/thin-edge.io/pull/3462', client: 'thin-edge.io', file: 'configs/session.test.ts' },
  { url: 'https://github.com/home-assistant/core/issues/7958', client: 'Home Assistant', file: 'configs/session.test.ts' },
  { url: 'https://github.com/buxtronix/phev2mqtt/pull/63', client: 'phev2mqtt', file: 'configs/session.test.ts' },
  { url: 'https://github.com/emsesp/EMS-ESP/issues/631', client: 'EMS-ESP', file: 'configs/session.test.ts' },
  { url: 'https://github.com/wialon/gmqtt/issues/97', client: 'gmqtt', file: 'configs/session.test.ts' },
  { url: 'https://github.com/bytebeamio/rumqtt/issues/1014', client: 'rumqttc', file: 'configs/packet-ids.test.ts' },
  { url: 'https://github.com/wolfSSL/wolfMQTT/issues/507', client: 'wolfMQTT', file: 'configs/packet-ids.test.ts' },
  { url: 'https://github.com/eclipse-paho/paho.mqtt.python/issues/482', client: 'Paho Python', file: 'configs/acknowledgements.test.ts' },
  { url: 'https://github.com/peterhinch/micropython-mqtt/issues/54', client: 'mqtt_as', file: 'configs/acknowledgements.test.ts' },
  { url: 'https://github.com/dotnet/MQTTnet/issues/2145', client: 'MQTTnet', file: 'configs/acknowledgements.test.ts' },
  { url: 'https://github.com/faststream-community/zMQTT/issues/65', client: 'zMQTT', file: 'configs/acknowledgements.test.ts' },
  { url: 'https://github.com/mqttjs/MQTT.js/issues/1511', client: 'MQTT.js', file: 'configs/acknowledgements.test.ts' },
  { url: 'https://github.com/fusesource/mqtt-client/pull/103', client: 'FuseSource mqtt-client', file: 'configs/suback.test.ts' },
  { url: 'https://github.com/knolleary/pubsubclient/issues/341', client: 'PubSubClient', file: 'configs/suback.test.ts' },
  { url: 'https://github.com/shamblett/mqtt5_client/issues/144', client: 'mqtt5_client', file: 'configs/suback.test.ts' },
  { url: 'https://github.com/sskaje/mqtt/pull/30', client: 'sskaje/mqtt', file: 'configs/suback.test.ts' },
  { url: 'https://github.com/eclipse-paho/paho.mqtt.embedded-c/issues/6', client: 'Paho Embedded C', file: 'configs/suback.test.ts' },
  { url: 'https://github.com/eclipse-paho/paho.mqtt.python/issues/24', client: 'Paho Python', file: 'configs/redelivery.test.ts' },
  { url: 'https://github.com/mqttjs/MQTT.js/issues/360', client: 'MQTT.js', file: 'configs/redelivery.test.ts' },
  { url: 'https://github.com/fusesource/mqtt-client/issues/120', client: 'FuseSource mqtt-client', file: 'configs/redelivery.test.ts' },
  { url: 'https://github.com/hivemq/hivemq-mqtt-client/issues/378', client: 'HiveMQ Java', file: 'configs/redelivery.test.ts' },
  { url: 'https://github.com/mqttjs/MQTT.js/issues/1001', client: 'MQTT.js', file: 'configs/redelivery.test.ts' },
  { url: 'https://github.com/eclipse-mosquitto/mosquitto/issues/1751', client: 'libmosquitto', file: 'configs/redelivery.test.ts' },
  { url: 'https://github.com/novastone-media/MQTT-Client-Framework/issues/249', client: 'MQTT-Client-Framework', file: 'configs/redelivery.test.ts' },
  { url: 'https://github.com/swift-server-community/mqtt-nio/issues/274', client: 'mqtt-nio', file: 'configs/redelivery.test.ts' },
  { url: 'https://github.com/hivemq/hivemq-mqtt-client/pull/357', client: 'HiveMQ Java', file: 'configs/keep-alive.test.ts' },
  { url: 'https://github.com/mqttjs/MQTT.js/issues/1861', client: 'MQTT.js', file: 'configs/keep-alive.test.ts' },
]
