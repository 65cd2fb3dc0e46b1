"""Eclipse Paho against the server at MQTT_HOST and MQTT_PORT, in the version argv[1] (311 or 5).

Prints each message as it came: topic, QoS, retain flag, payload.
"""
import os
import queue
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

host, port, version = os.environ["MQTT_HOST"], int(os.environ["MQTT_PORT"]), sys.argv[1]
run = "paho-%d" % os.getpid()


class Client:
    """A client whose events are waited for."""

    def __init__(self, name, clean=True, will=None):
        self.events = {"connect": queue.Queue(), "subscribe": queue.Queue(), "publish": queue.Queue(), "message": queue.Queue(), "disconnect": queue.Queue()}
        options = {"client_id": "%s-%s" % (run, name), "protocol": mqtt.MQTTv5 if version == "5" else mqtt.MQTTv311}
        if version != "5":
            options["clean_session"] = clean
        if hasattr(mqtt, "CallbackAPIVersion"):
            options["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION1
        self.client = mqtt.Client(**options)
        self.client.on_connect = lambda client, data, flags, code, *more: self.events["connect"].put((flags, code))
        self.client.on_subscribe = lambda client, data, mid, granted, *more: self.events["subscribe"].put(mid)
        self.client.on_publish = lambda client, data, mid, *more: self.events["publish"].put(mid)
        self.client.on_message = lambda client, data, message: self.events["message"].put(message)
        self.client.on_disconnect = lambda client, data, code, *more: self.events["disconnect"].put(code)
        if will is not None:
            self.client.will_set(will, "gone", qos=1)
        connect = {}
        if version == "5":
            connect["clean_start"] = clean
            connect["properties"] = Properties(PacketTypes.CONNECT)
            connect["properties"].SessionExpiryInterval = 0 if clean else 60
        self.client.connect(host, port, keepalive=30, **connect)
        self.client.loop_start()
        self.flags, code = self.wait("connect")
        assert code == 0, code

    def wait(self, event):
        return self.events[event].get(timeout=10)

    def subscribe(self, topic, qos):
        self.client.subscribe(topic, qos)
        self.wait("subscribe")

    def publish(self, topic, payload, qos, retain=False):
        self.client.publish(topic, payload, qos, retain)
        self.wait("publish")

    def show(self):
        message = self.wait("message")
        print(message.topic[len(run) + 1 :], message.qos, int(message.retain), message.payload.decode())

    def end(self):
        self.client.disconnect()
        self.wait("disconnect")
        self.client.loop_stop()


publisher = Client("pub")
for qos in (0, 1, 2):
    publisher.publish("%s/%d/ready" % (run, qos), "retained", qos, True)
    subscriber = Client("sub")
    subscriber.subscribe("%s/%d/#" % (run, qos), qos)
    subscriber.show()
    for text in ("one", "two", "three"):
        publisher.publish("%s/%d/live" % (run, qos), text, qos)
        subscriber.show()
    subscriber.end()

# A session is kept, and gives what came meanwhile.
first = Client("kept", clean=False)
first.subscribe("%s/kept" % run, 2)
first.end()
for qos in (1, 2):
    publisher.publish("%s/kept" % run, "queued %d" % qos, qos)
second = Client("kept", clean=False)
present = second.flags["session present"] if isinstance(second.flags, dict) else second.flags.session_present
assert present, second.flags
second.show()
second.show()
second.end()

# A will comes when the client is gone without DISCONNECT.
watcher = Client("watch")
watcher.subscribe("%s/will" % run, 1)
lost = Client("lost", will="%s/will" % run)
lost.client.loop_stop()
lost.client.socket().close()
watcher.show()
watcher.end()
publisher.end()
